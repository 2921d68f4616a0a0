import { type EncodedRecord, encodeRecord } from "../record/encode.ts";
import type { RecordInput } from "../record/types.ts";

/** Whose records these are. */
export type JournalName = { readonly tenant: string; readonly journal: string };

function sessionOf(input: RecordInput): string | undefined {
  return "session" in input ? input.session : undefined;
}

/**
 * Numbers a journal's records and links each session's. A process run is a new journal, so a sequence always begins at 0.
 *
 * It remembers the last leaf of every session that the journal has met (about 200 bytes each), because the next record must
 * link to it, even long after the session was closed. `sessions` tells how many: at a bound of its own choosing the program
 * closes the journal and opens the next.
 */
export class JournalSequence {
  readonly #name: JournalName;
  readonly #last = new Map<string, string>();
  #seq = 0;

  constructor(name: JournalName) {
    this.#name = name;
  }

  /** The next record's seq. */
  get seq(): number {
    return this.#seq;
  }

  /** How many sessions it remembers. */
  get sessions(): number {
    return this.#last.size;
  }

  /**
   * Builds the next record. When it throws, nothing has moved.
   * @throws LedgerError RecordInvalid, RecordTooLarge
   */
  append(input: RecordInput): EncodedRecord {
    const session = sessionOf(input);
    const prev = session === undefined ? undefined : this.#last.get(session);
    const record = encodeRecord(input, { ...this.#name, seq: this.#seq, prev });
    if (session !== undefined) this.#last.set(session, record.leaf.toString("base64url"));
    this.#seq++;
    return record;
  }
}
