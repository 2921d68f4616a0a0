import { LogReader } from "../wal/log-reader.ts";
import type { SequencedRecord } from "../wal/stored-record.ts";
import type { WriteAheadLog } from "../wal/write-ahead-log.ts";
import type { DirectQueue } from "./direct-queue.ts";
import type { RecordSource } from "./journal-chain.ts";

/** A running journal's records: from the disk as far as they are durable there, then those that go to the hub directly. */
export class LiveSource implements RecordSource {
  closing: number | undefined;
  direct: DirectQueue | undefined;
  readonly #wal: WriteAheadLog;
  readonly #reader: LogReader;

  constructor(wal: WriteAheadLog) {
    this.#wal = wal;
    this.#reader = new LogReader(() => wal.files);
  }

  get available(): number {
    return this.direct?.next ?? this.#wal.committed;
  }

  async read(mostRecords: number): Promise<SequencedRecord[]> {
    if (this.#reader.next < this.#wal.committed) return this.#reader.read(mostRecords);
    return this.direct?.take(mostRecords) ?? [];
  }
}
