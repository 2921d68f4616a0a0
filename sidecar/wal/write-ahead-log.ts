import { asError, withDeadline } from "@heauth/program";
import { SidecarError } from "../errors.ts";
import type { Allocation } from "./allocation.ts";
import { Batch } from "./batch.ts";
import type { SequencedRecord, StoredRecord } from "./stored-record.ts";
import type { WalFile } from "./wal-file.ts";

/** What was not acknowledged when the log failed: its writers still wait, for whoever brings it to the hub. */
export interface UnacknowledgedBatch {
  readonly records: SequencedRecord[];
  readonly batch: Pick<Batch, "last" | "settle" | "fail">;
}

export interface WriteAheadLogOptions {
  allocation: Allocation;
  /** How long a record may wait to become durable, in ms. */
  waitMs: number;
  /** After how long a write that has not returned counts as a failure, in ms. */
  hangMs: number;
  /** Told after each committed batch: how many records, and how long the flush took. */
  onCommitted: (records: number, seconds: number) => void;
  /** Told once, when a file has failed. Nothing is written after that. */
  onFailed: (error: Error, unacknowledged: UnacknowledgedBatch[]) => void;
}

const LINK_CHECK_MS = 1000;

/** A journal's records on the disk: group commit without a timer, in files that were allocated ahead. */
export class WriteAheadLog {
  readonly #options: WriteAheadLogOptions;
  /** Oldest first; the last one is being written. */
  readonly #files: WalFile[] = [];
  readonly #linkCheck: NodeJS.Timeout;
  #pending: Batch;
  /** The buffer of the batch before, to be used again. */
  #free: Buffer | undefined;
  #inFlight: Batch | undefined;
  #waitTimer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failure: Error | undefined;
  #checking = false;
  #waitsForFile = false;
  #closed = false;

  /** `first` is the journal's first file, empty. */
  constructor(options: WriteAheadLogOptions, first: WalFile) {
    this.#options = options;
    this.#files.push(first);
    this.#pending = new Batch(first.header.salt);
    this.#linkCheck = setInterval(() => void this.#checkLinks(), LINK_CHECK_MS).unref();
  }

  get files(): readonly WalFile[] {
    return this.#files;
  }

  /** Seq behind the last record that is durable. */
  get committed(): number {
    return this.#current.next;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Bytes that wait in memory. */
  get waiting(): number {
    return sizeOf(this.#pending) + sizeOf(this.#inFlight);
  }

  /** Bytes of the disk that hold records the hub has not committed. */
  get used(): number {
    const { size, end } = this.#current;
    return (this.#files.length - 1) * size + end + this.waiting;
  }

  /** Bytes that can still be written into the current file. */
  get room(): number {
    return this.#current.size - this.#current.end - this.waiting;
  }

  /** Adds the next record; resolves when it is durable. Its place in the journal is taken whatever comes of it. */
  append(seq: number, stored: StoredRecord): Promise<void> {
    const batch = this.#pending;
    batch.add(seq, stored);
    if (batch.count === 1) this.#waitTimer = timeOut(batch, this.#options.waitMs);
    if (this.#running === undefined && this.#failure === undefined) {
      this.#running = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#run());
    }
    return batch.durable;
  }

  /** Gives back every file that holds only records before `seq`. */
  async release(seq: number): Promise<void> {
    while (this.#files.length > 1 && (this.#files[0]?.next ?? seq + 1) <= seq) {
      const file = this.#files.shift();
      if (file === undefined) return;
      await (this.#failure === undefined
        ? this.#options.allocation.giveBack(file)
        : this.#options.allocation.discard(file));
    }
  }

  /** Waits for what is under way and stops. `discard`: all is committed at the hub, the files may go. */
  async close(discard: boolean): Promise<void> {
    this.#closed = true;
    clearInterval(this.#linkCheck);
    if (this.#failure === undefined && !this.#waitsForFile) await this.#running;
    clearTimeout(this.#waitTimer);
    for (const file of this.#files.splice(0)) {
      await (discard ? this.#options.allocation.discard(file) : file.handle.close());
    }
  }

  get #current(): WalFile {
    const file = this.#files.at(-1);
    if (file === undefined) throw new SidecarError("WalFailed", "the log is closed");
    return file;
  }

  async #run(): Promise<void> {
    try {
      while (this.#pending.count > 0 && this.#failure === undefined) {
        if (this.#current.size - this.#current.end < this.#pending.size) await this.#nextFile();
        else await this.#flush();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#running = undefined;
    }
  }

  async #nextFile(): Promise<void> {
    const { header, next } = this.#current;
    this.#waitsForFile = true;
    this.#files.push(await this.#options.allocation.take({ ...header, number: header.number + 1, first: next }));
    this.#waitsForFile = false;
  }

  async #flush(): Promise<void> {
    const batch = this.#pending;
    const timer = this.#waitTimer;
    this.#inFlight = batch;
    this.#pending = new Batch(this.#current.header.salt, this.#free);
    this.#free = undefined;
    const file = this.#current;
    const bytes = batch.sealed();
    const since = performance.now();
    try {
      await withDeadline(this.#options.hangMs, "a write", () => file.handle.write(bytes, file.end));
    } finally {
      clearTimeout(timer);
    }
    if (this.#failure !== undefined) return; // failed by the link check meanwhile: the batch is on its way to the hub
    file.end += bytes.length;
    file.next = batch.last + 1;
    this.#inFlight = undefined;
    this.#free = batch.buffer;
    batch.settle();
    this.#options.onCommitted(batch.count, (performance.now() - since) / 1000);
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined || this.#closed) return;
    const error = new SidecarError("WalFailed", "a file of the write-ahead log failed", { cause });
    this.#failure = error;
    clearInterval(this.#linkCheck);
    clearTimeout(this.#waitTimer);
    const batches = this.#inFlight === undefined ? [this.#pending] : [this.#inFlight, this.#pending];
    const unacknowledged = batches
      .filter(({ count }) => count > 0)
      .map((batch) => ({ records: batch.records(), batch }));
    this.#inFlight = undefined;
    this.#pending = new Batch(this.#current.header.salt);
    this.#options.onFailed(error, unacknowledged);
  }

  /** A deleted file takes writes as before, and loses them: only its link count tells. */
  async #checkLinks(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    for (const file of [...this.#files]) {
      const fault = await file.handle
        .stat()
        .then(({ links }) => (links === 0 ? new Error("it was deleted") : undefined), asError);
      if (fault !== undefined && this.#files.includes(file)) this.#fail(fault);
    }
    this.#checking = false;
  }
}

function sizeOf(batch: Batch | undefined): number {
  return batch === undefined || batch.count === 0 ? 0 : batch.size;
}

function timeOut(batch: Batch, ms: number): NodeJS.Timeout {
  return setTimeout(() => batch.fail(new SidecarError("JournalTimeout", "a record was not durable in time")), ms);
}
