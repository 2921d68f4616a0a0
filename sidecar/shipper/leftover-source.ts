import { encodeRecord } from "@heauth/core/ledger";
import type { Leftover } from "../wal/leftovers.ts";
import { LogReader } from "../wal/log-reader.ts";
import type { SequencedRecord } from "../wal/stored-record.ts";
import type { RecordSource } from "./journal-chain.ts";
import type { RecoveryPlan } from "./recovery-plan.ts";

/** The records that an ended process left, from where the hub stands, and the `journal.close` that it could not write. */
export class LeftoverSource implements RecordSource {
  readonly available: number;
  readonly closing: number;
  readonly #reader: LogReader;
  readonly #to: number;
  #close: SequencedRecord | undefined;

  /** `at` is the time of the closing, in µs; `owner` is whose journal it was. */
  constructor(
    leftover: Leftover,
    { head, to, isClosed }: NonNullable<RecoveryPlan["ship"]>,
    owner: { tenant: string; pod: string },
    at: number,
  ) {
    const { journal, readable } = leftover;
    this.#reader = new LogReader(() => readable, head.seq);
    this.#to = to;
    this.closing = isClosed ? to - 1 : to;
    this.available = this.closing + 1;
    if (isClosed) return;
    const { bytes } = encodeRecord(
      { type: "journal.close", at, source: "sidecar", pod: owner.pod, reason: "Recovered" },
      { tenant: owner.tenant, journal, seq: to, prev: undefined },
    );
    this.#close = { seq: to, record: bytes };
  }

  async read(mostRecords: number): Promise<SequencedRecord[]> {
    if (this.#reader.next < this.#to) return this.#reader.read(mostRecords);
    const close = this.#close;
    this.#close = undefined;
    return close === undefined ? [] : [close];
  }
}
