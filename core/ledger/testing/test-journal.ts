import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { JournalSequence } from "../journal/sequence.ts";
import type { EncodedRecord } from "../record/encode.ts";
import type { RecordInput, RecordSource } from "../record/types.ts";
import type { JournalProgram } from "../registration.ts";
import { JOURNAL_START, type JournalHead, sealSegment } from "../segment.ts";
import { sessionParts } from "../session-parts.ts";
import type { StoredSegment } from "../verify/source.ts";

/** `Omit` that keeps a union a union. */
type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;

/** A record's input; source and pod are the journal's. */
export type TestRecord = Without<RecordInput, "source" | "pod">;

export type TestJournalOptions = {
  readonly tenant: string;
  readonly journal: string;
  readonly program: JournalProgram;
  readonly pod?: string;
};

/** A journal whose segments go straight into a test's ledger. */
export class TestJournal {
  readonly options: TestJournalOptions;
  readonly key: KeyObject = generateKeyPairSync("ed25519").privateKey;
  readonly #sequence: JournalSequence;
  readonly #store: (row: StoredSegment, records: readonly EncodedRecord[]) => void;
  #head: JournalHead = JOURNAL_START;
  closed = false;

  constructor(options: TestJournalOptions, store: (row: StoredSegment, records: readonly EncodedRecord[]) => void) {
    this.options = options;
    this.#sequence = new JournalSequence(options);
    this.#store = store;
  }

  get id(): string {
    return this.options.journal;
  }

  /** The next record's seq. */
  get seq(): number {
    return this.#sequence.seq;
  }

  /** Writes one segment; `signer` when another journal recovers this one. */
  write(inputs: readonly TestRecord[], signer: TestJournal = this): void {
    const { tenant, journal, program, pod } = this.options;
    const common: { source: RecordSource; pod?: string } = { source: program, ...(pod === undefined ? {} : { pod }) };
    const records = inputs.map((input) => this.#sequence.append({ ...input, ...common } as RecordInput));
    this.closed = records.at(-1)?.type === "journal.close";
    const sealed = sealSegment({
      tenant,
      journal,
      ...(pod === undefined ? {} : { pod }),
      signer: signer.id,
      key: signer.key,
      head: this.#head,
      records,
      final: this.closed,
    });
    this.#head = sealed.next;
    const { number, header, signature } = sealed;
    const sessions = sessionParts(records);
    this.#store({ kind: "segment", journal, number, header, signature, records: sealed.records, sessions }, records);
  }
}
