import type { JournalHead } from "@heauth/core/ledger";

/** A journal's registration, to be countersigned by the hub. */
export interface JournalRegistration {
  /** The registration's canonical bytes. */
  registration: Uint8Array;
  /** The journal's own signature of them. */
  possession: Uint8Array;
}

/** Where a journal that the registration recovers stands at the hub. */
export interface RecoveredJournal {
  journal: string;
  head: JournalHead;
  /** Its `journal.close` is committed. */
  final: boolean;
}

/** A segment as it travels. */
export interface HubSegment {
  header: Uint8Array;
  signature: Uint8Array;
  /** Packed records, packed private parts. */
  records: Uint8Array;
  privates: Uint8Array;
}

/** How far the hub has committed a journal. */
export interface JournalWatermark {
  nextNumber: number;
  nextSeq: number;
}

/** The most journals that a registration recovers. */
export const MAX_RECOVERS = 1024;

/** The most that one `append` may carry, in bytes of its segments. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024 - 64 * 1024;

/**
 * What journals need of the hub. All calls are idempotent, have a deadline of their own, and answer after the commit. They
 * throw SidecarError HubRefused or HubEquivocation where repeating is of no use; every other error is repeated with the same
 * bytes, after `retryAfterMs` where a HubUnavailable has it.
 */
export interface HubJournals {
  /** Where those of the pod's journals stand that were ever registered; of the others there is nothing to say. At most MAX_RECOVERS. */
  lookUp(
    request: { tenant: string; journals: readonly string[] },
    signal: AbortSignal,
  ): Promise<readonly RecoveredJournal[]>;
  /** Refuses a registration that recovers a journal which was never registered. Answers where the recovered ones stand. */
  register(request: JournalRegistration, signal: AbortSignal): Promise<readonly RecoveredJournal[]>;
  /** `segments` are consecutive and of one journal, at most MAX_REQUEST_BYTES in all. */
  append(
    request: { tenant: string; journal: string; segments: readonly HubSegment[] },
    signal: AbortSignal,
  ): Promise<JournalWatermark>;
}
