import type { ResourceStatus } from "./condition.ts";
import { type DatedCondition, dated } from "./dated.ts";

/** metav1.Condition. */
export interface WrittenCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, in seconds as Kubernetes writes times. */
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** A resource's `status` as the operator's controllers write it. */
export interface WrittenStatus extends Omit<ResourceStatus, "conditions"> {
  readonly conditions: readonly WrittenCondition[];
}

/** Kubernetes' limit (32 KiB), and some room for what bytes more a character takes. */
const LONGEST_MESSAGE = 8_192;

/**
 * What is to be written.
 * @param before the status as it stands, whoever wrote it
 * @returns it, and the conditions that say something new
 */
export function writtenStatus(status: ResourceStatus, before: Readonly<Record<string, unknown>>, nowMs: number) {
  const { conditions, changed } = dated(status.conditions.map(shortened), datedIn(before), nowMs);
  const { observedGeneration } = status;
  const written = conditions.map(
    ({ lastTransitionMs, ...condition }): WrittenCondition => ({
      ...condition,
      lastTransitionTime: new Date(lastTransitionMs).toISOString().replace(/\.\d+Z$/, "Z"),
      ...(observedGeneration !== undefined && { observedGeneration }),
    }),
  );
  return { status: { ...status, conditions: written } satisfies WrittenStatus, changed };
}

function shortened<C extends { readonly message: string }>(condition: C): C {
  const { message } = condition;
  return message.length <= LONGEST_MESSAGE
    ? condition
    : { ...condition, message: `${message.slice(0, LONGEST_MESSAGE)}…` };
}

/** Conditions as they were written; what is not as we write it is left out, and so is written again. */
function datedIn({ conditions }: Readonly<Record<string, unknown>>): DatedCondition[] {
  if (!Array.isArray(conditions)) return [];
  return (conditions as Partial<WrittenCondition>[]).flatMap(({ lastTransitionTime = "", ...condition }) => {
    const lastTransitionMs = Date.parse(lastTransitionTime);
    return Number.isNaN(lastTransitionMs) ? [] : [{ ...condition, lastTransitionMs } as unknown as DatedCondition];
  });
}
