import { COMMIT_FRAME_BYTES, FRAME_HEADER_BYTES, readFrame, sealFrame, writeCommit } from "./frame.ts";
import {
  decodeStoredRecord,
  encodeStoredRecord,
  type SequencedRecord,
  type StoredRecord,
  storedSize,
} from "./stored-record.ts";

const FIRST_CAPACITY = 256 * 1024;

/** Records that become durable together, by one write. */
export class Batch {
  /** Settled once for all of the batch's records. */
  readonly durable: Promise<void>;
  readonly settle: () => void;
  readonly fail: (error: Error) => void;
  #salt: number;
  #bytes: Buffer;
  #size = 0;
  #count = 0;
  #first = 0;

  /** `buffer` is a former batch's, to be used again. */
  constructor(salt: number, buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY)) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {}); // a best effort record's writer does not wait for it
    this.durable = promise;
    this.settle = resolve;
    this.fail = reject;
    this.#salt = salt;
    this.#bytes = buffer;
  }

  get count(): number {
    return this.#count;
  }

  /** Seq of its first record, where it has one. */
  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#first + this.#count - 1;
  }

  /** Bytes that it takes in a file, its commit frame included. */
  get size(): number {
    return this.#size + COMMIT_FRAME_BYTES;
  }

  get buffer(): Buffer {
    return this.#bytes;
  }

  /** Adds a record, whose seq follows on the last one's. */
  add(seq: number, stored: StoredRecord): void {
    if (this.#count === 0) this.#first = seq;
    const begin = this.#size;
    this.#reserve(begin + FRAME_HEADER_BYTES + storedSize(stored) + COMMIT_FRAME_BYTES);
    this.#size = encodeStoredRecord(this.#bytes, begin + FRAME_HEADER_BYTES, stored);
    sealFrame(this.#bytes, begin, this.#size, seq, this.#salt);
    this.#count++;
  }

  /** Its bytes as they go into a file. */
  sealed(): Buffer {
    const end = writeCommit(this.#bytes, this.#size, this.last, this.#count, this.#salt);
    return this.#bytes.subarray(0, end);
  }

  /** Its records again, for the hub when the disk has failed. */
  records(): SequencedRecord[] {
    const records: SequencedRecord[] = [];
    for (let offset = 0; offset < this.#size; ) {
      const frame = readFrame(this.#bytes, offset, this.#size, this.#salt);
      if (typeof frame !== "object") throw new Error("a batch's own frames cannot be read");
      records.push({ seq: frame.seq, ...decodeStoredRecord(this.#bytes.subarray(frame.start, frame.end)) });
      offset = frame.end;
    }
    return records;
  }

  #reserve(capacity: number): void {
    if (capacity <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(capacity, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#size);
    this.#bytes = grown;
  }
}
