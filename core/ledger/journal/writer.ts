import type { KeyObject } from "node:crypto";
import { LedgerError } from "../errors.ts";
import type { EncodedRecord } from "../record/encode.ts";
import type { RecordInput } from "../record/types.ts";
import { JOURNAL_START, type JournalHead, type SealedSegment, sealSegment } from "../segment.ts";
import { JournalSequence } from "./sequence.ts";

/** A journal of this process, with its private key. */
export type JournalOptions = {
  readonly tenant: string;
  readonly journal: string;
  readonly key: KeyObject;
  readonly pod?: string;
};

/** A segment that is not the journal's yet: it becomes so when it is adopted. */
export type JournalDraft = {
  readonly base: JournalHead;
  readonly records: readonly EncodedRecord[];
  readonly segment: SealedSegment;
};

/**
 * A journal that is written straight into transactions (identity, operator, cli): each write makes one segment.
 * `draft()` builds it, the caller stores it in its transaction, and `adopt()`s it once that has committed; a draft whose
 * transaction was rolled back is simply dropped. One draft at a time: the caller queues its transactions.
 */
export class JournalWriter {
  readonly #options: JournalOptions;
  readonly #sequence: JournalSequence;
  #head: JournalHead = JOURNAL_START;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#sequence = new JournalSequence({ tenant: options.tenant, journal: options.journal });
  }

  get journal(): string {
    return this.#options.journal;
  }

  /** Where the next segment goes on. */
  get head(): JournalHead {
    return this.#head;
  }

  /** How many sessions it remembers (see JournalSequence). */
  get sessions(): number {
    return this.#sequence.sessions;
  }

  /** Has an adopted segment ended the journal? */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Builds the next segment, of 1 to 4,096 records; final when the last is `journal.close`.
   * @throws LedgerError RecordInvalid, RecordTooLarge, SegmentInvalid (also when the journal is closed)
   */
  draft(inputs: readonly RecordInput[]): JournalDraft {
    if (this.#closed) throw new LedgerError("SegmentInvalid", "the journal is closed");
    if (inputs.slice(0, -1).some(({ type }) => type === "journal.close")) {
      throw new LedgerError("SegmentInvalid", "nothing comes after journal.close");
    }
    const records = this.#sequence.draft(inputs);
    const final = records.at(-1)?.type === "journal.close";
    const segment = sealSegment({ ...this.#options, head: this.#head, records, final });
    return { base: this.#head, records, segment };
  }

  /**
   * Moves on: the draft is stored.
   * @throws LedgerError DraftStale when another draft was adopted in between
   */
  adopt(draft: JournalDraft): void {
    if (draft.base !== this.#head) throw new LedgerError("DraftStale", "another draft was adopted since");
    this.#sequence.adopt(draft.records);
    this.#head = draft.segment.next;
    this.#closed = draft.records.at(-1)?.type === "journal.close";
  }
}
