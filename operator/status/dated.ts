import type { Condition } from "./condition.ts";

export interface DatedCondition extends Condition {
  /** ms since the Unix epoch; stays while the status is the same. */
  readonly lastTransitionMs: number;
}

export interface Dated {
  readonly conditions: readonly DatedCondition[];
  /** Those that are new, or say something else than before. */
  readonly changed: readonly Condition[];
}

/** Dates conditions by what was said before: the date is that of the status's last change. */
export function dated(conditions: readonly Condition[], before: readonly DatedCondition[], nowMs: number): Dated {
  const changed: Condition[] = [];
  const all = conditions.map((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    if (old === undefined || !saysTheSame(old, condition)) changed.push(condition);
    return { ...condition, lastTransitionMs: old?.status === condition.status ? old.lastTransitionMs : nowMs };
  });
  return { conditions: all, changed };
}

function saysTheSame(a: Condition, b: Condition): boolean {
  return a.status === b.status && a.reason === b.reason && a.message === b.message;
}
