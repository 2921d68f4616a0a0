import { setTimeout as sleep } from "node:timers/promises";
import type { RecordInput } from "@heauth/core/ledger";
import { SidecarError } from "../errors.ts";
import { fileOperations } from "../wal/file-operations.ts";
import { openWalFolder, type WalFolder } from "../wal/folder.ts";
import { type FillLevel, fillLevel, pushBackDelay } from "../wal/quota.ts";
import { admit } from "./admission.ts";
import { completeLimits, type JournalLimits, type JournalOptions, type JournalOwner } from "./journal-options.ts";
import { LeavingDisk } from "./leaving-disk.ts";
import { LiveJournal } from "./live-journal.ts";
import { Recovery } from "./recovery.ts";
import { registerJournal } from "./register.ts";
import { Shipper } from "./shipper.ts";

/** What a writer waits for: the disk, the hub's commit, or nothing. */
export type Durability = "Local" | "Database" | "BestEffort";

/** How far the journal that takes records now has come. */
export interface JournalProgress {
  journal: string;
  /** Seq of the record that comes next. */
  nextSeq: number;
  /** Every record below it is committed at the hub. */
  committedSeq: number;
}

export interface JournalState {
  isOpen: boolean;
  level: FillLevel;
  /** Bytes of the disk taken, and those that may be. */
  used: number;
  quota: number;
  /** Records that the hub has not committed. */
  backlog: number;
  /** The disk has failed: records go straight to the hub. */
  isDirect: boolean;
  /** Neither disk nor hub takes records. */
  isFailed: boolean;
  /** Journals of ended processes that are not settled. */
  leftovers: number;
}

/** What a journal is given to write: it adds the pod itself. */
export type JournalInput = RecordInput extends infer Input
  ? Input extends unknown
    ? Omit<Input, "pod">
    : never
  : never;

/** What stayed behind at the end. */
export interface JournalRemainder {
  /** Records that the hub has not committed; the next process on this folder ships those that are on the disk. */
  records: number;
  leftovers: number;
}

const SUCCESSION_RETRY_MS = 60_000;

/** Takes the write-ahead log's folder, reads what ended processes left, and prepares the disk. Throws WalLocked, WalMisconfigured. */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const limits = completeLimits(options.limits);
  const { fileSize, quota, hangMs } = limits;
  const onShortage = (error: unknown) => options.log.error({ error }, "no room for the next file");
  const files = options.files ?? fileOperations;
  const folder = await openWalFolder({ folder: options.folder, files, fileSize, quota, hangMs, onShortage });
  return new Journal(options, limits, folder);
}

/** Where a sidecar's records go: durable on the disk before they are acknowledged, then to the hub in signed segments. */
export class Journal {
  readonly #options: JournalOptions;
  readonly #limits: JournalLimits;
  readonly #folder: WalFolder;
  readonly #shipper: Shipper;
  readonly #stopping = new AbortController();
  /** All that are registered and not closed: the live one, and those that it took over from. */
  readonly #journals = new Set<LiveJournal>();
  #recovery: Recovery | undefined;
  #live: LiveJournal | undefined;
  #opening: Promise<LiveJournal> | undefined;
  #succession: Promise<void> | undefined;
  #level: FillLevel = "Normal";
  #isFailed = false;
  #leaving: LeavingDisk | undefined;

  constructor(options: JournalOptions, limits: JournalLimits, folder: WalFolder) {
    this.#options = options;
    this.#limits = limits;
    this.#folder = folder;
    this.#shipper = new Shipper({ hub: options.hub, metrics: options.metrics, onRetry: this.#onRetry });
  }

  /** Opens the process's journal: resolves when the hub has committed its `journal.open`, however long that takes. Called once. */
  async open(owner: JournalOwner): Promise<void> {
    const { clock, log, metrics } = this.#options;
    this.#recovery = new Recovery({ clock, log, metrics, folder: this.#folder, shipper: this.#shipper, owner });
    this.#shipper.start();
    this.#opening = this.#begin(owner, this.#recovery);
    this.#live = await this.#opening;
  }

  /**
   * Writes a record; resolves when it is as durable as asked for. Rejects with a SidecarError that means "not now" (JournalNotOpen,
   * JournalStopped, JournalOverloaded, JournalTimeout, JournalFailed, WalFull), or with a LedgerError for a record that cannot be.
   */
  async write(input: JournalInput, durability: Durability): Promise<{ id: string }> {
    const live = this.#admitted();
    const { id, seq, durable } = live.append({ ...input, pod: live.pod }, durability === "BestEffort");
    if (live.sessions >= this.#limits.maxSessions) this.#succeed(live);
    if (durability !== "BestEffort" || this.#leaving !== undefined) await durable();
    if (durability === "Database") await live.untilCommitted(seq);
    else await this.#leaving?.committed(live, seq);
    const delay = pushBackDelay(this.#used, this.#limits.quota);
    if (delay > 0) await sleep(delay);
    return { id };
  }

  /**
   * The disk goes away: from now on a record counts when the hub has committed it, whatever is asked for, as long as the hub commits; and
   * what is there is shipped soon.
   */
  drain(): void {
    this.#leaving ??= new LeavingDisk(this.#options.log);
    this.#shipper.hurry();
  }

  /** Undefined before the journal is open. */
  progress(): JournalProgress | undefined {
    const live = this.#live;
    return live && { journal: live.id, nextSeq: live.next, committedSeq: live.committed };
  }

  get state(): JournalState {
    const used = this.#used;
    return {
      isOpen: this.#live !== undefined && !this.#isFailed,
      level: fillLevel(used, this.#limits.quota),
      used,
      quota: this.#limits.quota,
      backlog: [...this.#journals].reduce((sum, { next, committed }) => sum + next - committed, 0),
      isDirect: this.#live?.isDirect === true,
      isFailed: this.#isFailed,
      leftovers: this.#recovery?.remaining ?? this.#folder.leftovers.length,
    };
  }

  /** Takes no more records, closes the journal and ships what is there until `deadline` aborts; says what stays behind. */
  async stop(deadline: AbortSignal): Promise<JournalRemainder> {
    this.#stopping.abort(new SidecarError("JournalStopped", "the journal is stopping"));
    await untilAborted(Promise.allSettled([this.#opening, this.#succession]), deadline);
    const live = this.#live;
    this.#live = undefined;
    if (live !== undefined) await this.#shipAll(live, deadline);
    await this.#shipper.stop();
    await this.#recovery?.stop();
    const { backlog: records, leftovers } = this.state;
    const journals = [...this.#journals];
    this.#journals.clear();
    for (const journal of journals) await journal.close().catch(this.#onReleaseFailed);
    await this.#folder.close();
    if (records > 0 || leftovers > 0) this.#options.log.warn({ records, leftovers }, "records stay on the disk");
    return { records, leftovers };
  }

  get #used(): number {
    let used = this.#recovery?.used ?? 0;
    for (const journal of this.#journals) used += journal.used;
    return used;
  }

  #admitted(): LiveJournal {
    if (this.#stopping.signal.aborted) throw this.#stopping.signal.reason;
    if (this.#live === undefined) throw new SidecarError("JournalNotOpen", "the journal is not open yet");
    const used = this.#used;
    this.#watch(fillLevel(used, this.#limits.quota), used);
    admit({ ...this.#live.load, used, quota: this.#limits.quota });
    return this.#live;
  }

  #watch(level: FillLevel, used: number): void {
    if (level === this.#level) return;
    this.#level = level;
    const say = level === "Normal" ? "info" : "warn";
    this.#options.log[say]({ level, used, quota: this.#limits.quota }, "the write-ahead log's level has changed");
  }

  /** A journal of which the hub has committed the registration and `journal.open`. */
  async #begin(owner: JournalOwner, recovery?: Recovery): Promise<LiveJournal> {
    const { hub, clock } = this.#options;
    const { signal } = this.#stopping;
    const live = await LiveJournal.begin({
      owner,
      allocation: this.#folder.allocation,
      shipper: this.#shipper,
      limits: this.#limits,
      metrics: this.#options.metrics,
      onDiskFailed: this.#onDiskFailed,
      onFailed: this.#onFailed,
      onReleaseFailed: this.#onReleaseFailed,
    });
    try {
      const opened = clock.wallMicros();
      const { seq } = live.append({ type: "journal.open", at: opened, source: "sidecar", pod: owner.pod });
      const recovers = recovery?.recoverable ?? [];
      const opening = { owner, journal: live.id, key: live.key, opened, recovers };
      const known = await registerJournal(hub, opening, signal, this.#onRetry);
      live.ship();
      await live.eventually(seq, signal);
      await recovery?.begin(live, known);
    } catch (error) {
      await live.close();
      throw error;
    }
    this.#journals.add(live);
    return live;
  }

  /** Goes on in a new journal, so that what is remembered of sessions stays bounded. */
  #succeed(old: LiveJournal): void {
    if (this.#succession !== undefined) return;
    this.#succession = this.#begin(old.owner)
      .then(async (next) => {
        this.#live = next;
        await this.#closeJournal(old, "Continued", this.#stopping.signal);
        this.#journals.delete(old);
        await old.close();
        this.#succession = undefined;
      })
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return;
        this.#options.log.error({ error }, "the next journal cannot be opened");
        setTimeout(() => {
          this.#succession = undefined;
        }, SUCCESSION_RETRY_MS).unref();
      });
  }

  async #shipAll(live: LiveJournal, deadline: AbortSignal): Promise<void> {
    try {
      await this.#closeJournal(live, "Stopped", deadline);
      for (const journal of this.#journals) await journal.eventually(journal.next - 1, deadline);
    } catch (error) {
      this.#options.log.warn({ error }, "not everything could be shipped in time");
    }
  }

  async #closeJournal(live: LiveJournal, reason: "Stopped" | "Continued", signal: AbortSignal): Promise<void> {
    const at = this.#options.clock.wallMicros();
    const { seq } = live.append({ type: "journal.close", at, source: "sidecar", pod: live.pod, reason });
    await live.eventually(seq, signal);
  }

  readonly #onRetry = (error: unknown, waitMs: number): void => {
    this.#options.log.warn({ error, waitMs }, "the hub did not answer; it is asked again");
  };

  readonly #onDiskFailed = (error: Error): void => {
    this.#options.metrics.diskFailed();
    this.#options.log.error({ error }, "the write-ahead log has failed; records go straight to the hub");
  };

  readonly #onReleaseFailed = (error: unknown): void => {
    this.#options.log.error({ error }, "a file of the write-ahead log cannot be let go of");
  };

  readonly #onFailed = (error: Error): void => {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#options.log.error({ error }, "neither the disk nor the hub takes records");
    this.#options.onFailed(error);
  };
}

async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const abort = () => aborted.resolve();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  await Promise.race([promise, aborted.promise]);
  signal.removeEventListener("abort", abort);
}
