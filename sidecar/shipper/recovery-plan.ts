import { type Gap, type JournalHead, parseRecord } from "@heauth/core/ledger";
import type { Leftover } from "../wal/leftovers.ts";
import type { RecoveredJournal } from "./hub-journals.ts";

/** Why records are missing, as the `gap` record says. */
export type GapReason = "WalCorrupt" | "BestEffort";

/** What is done with an ended process's journal. */
export interface RecoveryPlan {
  /** What is still to be shipped, after `head`: its records up to `to`, then a `journal.close` unless they end with one. */
  ship: { head: JournalHead; to: number; isClosed: boolean } | undefined;
  /** To be recorded before anything else. */
  gap: { gap: Gap; reason: GapReason } | undefined;
  /** What becomes of its files when all of that is done. */
  outcome: "Remove" | "Quarantine";
}

/**
 * Decides from what an ended process left and where the hub stands. `known` is undefined where the hub has never registered the
 * journal: then no request was ever let through under it, and its only record is `journal.open`.
 */
export function planRecovery(leftover: Leftover, known: RecoveredJournal | undefined): RecoveryPlan {
  const { journal, first, next, corruption } = leftover;
  if (known?.final === true) return { ship: undefined, gap: undefined, outcome: corruption ? "Quarantine" : "Remove" };
  if (known === undefined) {
    if (next <= 1 && corruption === undefined) return { ship: undefined, gap: undefined, outcome: "Remove" };
    return { ship: undefined, gap: missing(journal, 0, corruption?.beyond ?? next), outcome: "Quarantine" };
  }
  const { head } = known;
  const isBroken = first > head.seq && next > head.seq;
  const to = isBroken ? head.seq : Math.max(head.seq, next);
  const isClosed = to === next && endsClosed(leftover);
  const ship = { head, to, isClosed };
  if (isBroken) return { ship, gap: missing(journal, to, corruption?.beyond ?? next), outcome: "Quarantine" };
  if (corruption !== undefined) {
    const isKnownWhole = corruption.beyond !== undefined && corruption.beyond <= to;
    return { ship, gap: isKnownWhole ? undefined : missing(journal, to, corruption.beyond), outcome: "Quarantine" };
  }
  const mayLack = leftover.bestEffort && !isClosed;
  return { ship, gap: mayLack ? { gap: { journal, from: to }, reason: "BestEffort" } : undefined, outcome: "Remove" };
}

function missing(journal: string, from: number, beyond: number | undefined): { gap: Gap; reason: GapReason } {
  const gap = beyond === undefined ? { journal, from } : { journal, from, lost: beyond - from };
  return { gap, reason: "WalCorrupt" };
}

function endsClosed({ last }: Leftover): boolean {
  return last !== undefined && parseRecord(last).type === "journal.close";
}
