import type { Requeue } from "../runtime/queue.ts";

/** What came of reconciling one resource: all is as it says, or it says something that can't be done. */
export interface Reconciled {
  readonly outcome: "ok" | "invalid";
  readonly requeue?: Requeue;
}

export const OK: Reconciled = { outcome: "ok" };
export const INVALID: Reconciled = { outcome: "invalid" };
