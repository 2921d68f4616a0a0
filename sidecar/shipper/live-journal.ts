import { generateKeyPairSync, type KeyObject, randomInt } from "node:crypto";
import { JOURNAL_START, JournalSequence, type RecordInput } from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { SidecarError } from "../errors.ts";
import type { Allocation } from "../wal/allocation.ts";
import type { WalFile } from "../wal/wal-file.ts";
import { type UnacknowledgedBatch, WriteAheadLog } from "../wal/write-ahead-log.ts";
import type { JournalLoad } from "./admission.ts";
import { CommitWaiters } from "./commit-waiters.ts";
import { DirectQueue } from "./direct-queue.ts";
import type { JournalWatermark } from "./hub-journals.ts";
import { JournalChain } from "./journal-chain.ts";
import type { JournalMetrics } from "./journal-metrics.ts";
import type { JournalLimits, JournalOwner } from "./journal-options.ts";
import { LiveSource } from "./live-source.ts";
import type { Consignment, Shipper } from "./shipper.ts";

export interface LiveJournalOptions {
  owner: JournalOwner;
  allocation: Allocation;
  shipper: Shipper;
  limits: JournalLimits;
  metrics: JournalMetrics;
  /** Told once when the disk failed: records go straight to the hub from then on. */
  onDiskFailed: (error: Error) => void;
  /** Told once when neither way is left. */
  onFailed: (error: Error) => void;
  /** Told when files that are no longer needed cannot be removed. */
  onReleaseFailed: (error: unknown) => void;
}

/** A record at its place. */
export interface AppendedRecord {
  id: string;
  seq: number;
  /** Resolves when it is on the disk; where the disk has failed, when the hub has committed it. */
  durable: () => Promise<void>;
}

/** A journal that this process writes: its key, its sequence, its files, and its way to the hub. */
export class LiveJournal {
  readonly id: string;
  /** In memory only: what this process does not ship, its successor signs with its own. */
  readonly key: KeyObject = generateKeyPairSync("ed25519").privateKey;
  readonly #options: LiveJournalOptions;
  readonly #sequence: JournalSequence;
  readonly #wal: WriteAheadLog;
  readonly #source: LiveSource;
  readonly #committed: CommitWaiters;
  readonly #consignment: Consignment;
  #releasing: Promise<void> = Promise.resolve();
  #failure: SidecarError | undefined;

  private constructor(options: LiveJournalOptions, first: WalFile) {
    const { tenant, journal: id, pod } = first.header;
    const { shipper, limits, allocation, metrics } = options;
    this.id = id;
    this.#options = options;
    this.#sequence = new JournalSequence({ tenant, journal: id });
    this.#committed = new CommitWaiters(limits.waitMs);
    this.#wal = new WriteAheadLog(
      {
        allocation,
        waitMs: limits.waitMs,
        hangMs: limits.hangMs,
        onCommitted: (records, seconds) => {
          metrics.flushed(records, seconds);
          shipper.wake();
        },
        onFailed: (error, unacknowledged) => this.#goDirect(error, unacknowledged),
      },
      first,
    );
    this.#source = new LiveSource(this.#wal);
    const chain = { tenant, journal: id, pod, signer: id, key: this.key, head: JOURNAL_START, source: this.#source };
    this.#consignment = {
      chain: new JournalChain(chain),
      isUrgent: () => !this.#committed.isEmpty,
      onAcknowledged: (watermark) => this.#acknowledge(watermark),
      onFailed: (error) => this.#fail(error),
    };
  }

  /** A new journal with its first file; nothing is in it yet, and nothing is shipped. */
  static async begin(options: LiveJournalOptions): Promise<LiveJournal> {
    const { tenant, pod } = options.owner;
    const header = { tenant, journal: uuidv7(), pod, number: 0, first: 0, salt: randomInt(2 ** 32) };
    return new LiveJournal(options, await options.allocation.take(header));
  }

  get owner(): JournalOwner {
    return this.#options.owner;
  }

  get pod(): string {
    return this.#options.owner.pod;
  }

  /** Seq of the record to be appended next. */
  get next(): number {
    return this.#sequence.seq;
  }

  /** Seq behind the last record that the hub has committed. */
  get committed(): number {
    return this.#committed.next;
  }

  /** How many sessions its sequence remembers. */
  get sessions(): number {
    return this.#sequence.sessions;
  }

  /** Whether the disk has failed. */
  get isDirect(): boolean {
    return this.#source.direct !== undefined;
  }

  /** Bytes of the disk that hold what the hub has not committed. */
  get used(): number {
    return this.#wal.used;
  }

  /** What a record would meet, except for the quota. */
  get load(): Pick<JournalLoad, "waiting" | "maxWaiting" | "disk"> {
    const { direct } = this.#source;
    const maxWaiting = this.#options.limits.maxWaiting;
    if (direct !== undefined) return { waiting: direct.waiting, maxWaiting, disk: undefined };
    const disk = { room: this.#wal.room, isAhead: this.#options.allocation.isAhead };
    return { waiting: this.#wal.waiting, maxWaiting, disk };
  }

  /** Lets the hub have what is there: it must know the journal by now. */
  ship(): void {
    this.#options.shipper.add(this.#consignment);
  }

  /** Gives the record the next place. Throws LedgerError, and JournalFailed; then the place stays free. */
  append(input: RecordInput, bestEffort = false): AppendedRecord {
    if (this.#failure !== undefined) throw this.#failure;
    const { seq, bytes: record, private: part, type } = this.#sequence.append(input);
    if (type === "journal.close") this.#source.closing = seq;
    const id = `${this.id}/${seq}`;
    const stored = { record, private: part, bestEffort };
    const { direct } = this.#source;
    if (direct === undefined) {
      const batch = this.#wal.append(seq, stored);
      return { id, seq, durable: () => batch };
    }
    direct.add([{ seq, ...stored }]);
    this.#options.shipper.wake();
    return { id, seq, durable: () => this.untilCommitted(seq) };
  }

  /** Resolves when the hub has committed the record; rejects with JournalTimeout or JournalFailed. */
  untilCommitted(seq: number): Promise<void> {
    const committed = this.#committed.wait(seq);
    this.#options.shipper.wake();
    return committed;
  }

  /** Resolves when the hub has committed the record, however long it takes; rejects when `signal` aborts, or with JournalFailed. */
  async eventually(seq: number, signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {}); // heard by whoever races with it, if anybody does
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      while (this.committed <= seq) {
        signal.throwIfAborted();
        await Promise.race([this.untilCommitted(seq).catch(unlessTimeout), aborted.promise]);
      }
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** Lets go of its files: they go too where all is committed, and else stay for the next process. */
  async close(): Promise<void> {
    this.#options.shipper.remove(this.#consignment);
    this.#source.direct?.close();
    this.#committed.fail(
      new SidecarError("JournalStopped", "the journal was closed before the hub committed the record"),
    );
    await this.#releasing;
    await this.#wal.close(this.committed === this.next);
  }

  #acknowledge({ nextSeq }: JournalWatermark): void {
    this.#committed.advance(nextSeq);
    this.#source.direct?.acknowledge(nextSeq);
    this.#releasing = this.#releasing.then(() => this.#wal.release(nextSeq)).catch(this.#options.onReleaseFailed);
  }

  /** The hub is the second device: what the disk has not taken, and all that comes, is acknowledged by it. */
  #goDirect(error: Error, unacknowledged: UnacknowledgedBatch[]): void {
    const { limits, shipper, onDiskFailed } = this.#options;
    const direct = new DirectQueue(this.#wal.committed, limits.directMs, () =>
      this.#fail(new SidecarError("HubUnavailable", "the hub has committed nothing in time")),
    );
    this.#source.direct = direct;
    for (const { records, batch } of unacknowledged) {
      direct.add(records);
      this.#committed.wait(batch.last).then(batch.settle, batch.fail);
    }
    shipper.wake();
    onDiskFailed(error);
  }

  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new SidecarError("JournalFailed", "the journal cannot go on", { cause });
    this.#options.shipper.remove(this.#consignment);
    this.#source.direct?.close();
    this.#committed.fail(this.#failure);
    this.#options.onFailed(this.#failure);
  }
}

function unlessTimeout(error: unknown): void {
  if (!(error instanceof SidecarError) || error.code !== "JournalTimeout") throw error;
}
