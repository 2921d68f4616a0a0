import type { Requeue } from "../runtime/queue.ts";
import type { ResourceKey } from "../source/source.ts";

/** What came of reconciling one resource: all is as it says, or it says something that can't be done. */
export interface Reconciled {
  readonly outcome: "ok" | "invalid";
  readonly requeue?: Requeue;
  /** Others that what has changed concerns: they are to be reconciled too. */
  readonly affects?: readonly ResourceKey[];
}

export const OK: Reconciled = { outcome: "ok" };
export const INVALID: Reconciled = { outcome: "invalid" };
