import type { SequencedRecord } from "../wal/stored-record.ts";

/** Records that no disk holds: they are kept in memory until the hub has committed them. */
export class DirectQueue {
  readonly #deadlineMs: number;
  readonly #onExpired: () => void;
  readonly #records: SequencedRecord[] = [];
  #taken = 0;
  #next: number;
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `first` is the seq of the first record to come; `onExpired` is told when the hub has committed nothing for `deadlineMs`. */
  constructor(first: number, deadlineMs: number, onExpired: () => void) {
    this.#next = first;
    this.#deadlineMs = deadlineMs;
    this.#onExpired = onExpired;
  }

  /** Seq of the record to be added next. */
  get next(): number {
    return this.#next;
  }

  /** Bytes of records that are not committed. */
  get waiting(): number {
    return this.#waiting;
  }

  add(records: readonly SequencedRecord[]): void {
    for (const record of records) {
      this.#records.push(record);
      this.#waiting += sizeOf(record);
    }
    this.#next += records.length;
    this.#timer ??= setTimeout(this.#onExpired, this.#deadlineMs);
  }

  /** The next records that were not taken yet. */
  take(most: number): SequencedRecord[] {
    const taken = this.#records.slice(this.#taken, this.#taken + most);
    this.#taken += taken.length;
    return taken;
  }

  /** Drops the records before `seq`. */
  acknowledge(seq: number): void {
    const still = this.#records.findIndex((record) => record.seq >= seq);
    const dropped = this.#records.splice(0, still < 0 ? this.#records.length : still);
    if (dropped.length === 0) return;
    this.#taken -= dropped.length;
    this.#waiting -= dropped.reduce((sum, record) => sum + sizeOf(record), 0);
    this.close();
    if (this.#records.length > 0) this.#timer = setTimeout(this.#onExpired, this.#deadlineMs);
  }

  /** Watches the hub no longer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function sizeOf({ record, private: part }: SequencedRecord): number {
  return record.length + (part?.length ?? 0);
}
