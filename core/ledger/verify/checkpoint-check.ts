import { LedgerError } from "../errors.ts";
import { sameBytes } from "../hash.ts";
import { type Checkpoint, verifyCheckpoint } from "../log/checkpoint.ts";
import type { Recovery } from "../recovery.ts";
import type { Context } from "./context.ts";
import type { StoredCheckpoint } from "./source.ts";

/** Holds every checkpoint against the log as it grows. Roots that are recomputed from the entries prove their consistency. */
export class CheckpointCheck {
  readonly #context: Context;
  readonly #rows: AsyncIterator<StoredCheckpoint>;
  #row: StoredCheckpoint | undefined;
  #newest: Checkpoint | undefined;
  /** the log's, where it is read now; recoveries begin new ones */
  #epoch = 0;
  #rootWrong = false;
  /** one that could not be relied on was reported: it may have signed what comes after the newest */
  #invalid = false;

  constructor(context: Context) {
    this.#context = context;
    this.#rows = context.source.checkpoints()[Symbol.asyncIterator]();
  }

  /** The newest valid one. */
  get newest(): Checkpoint | undefined {
    return this.#newest;
  }

  /** The log's epoch where it is read now. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What follows is of a new epoch. All that came before must have been signed. */
  async recovered({ epoch, log }: Recovery): Promise<void> {
    await this.#passed(log.size);
    this.#epoch = epoch;
  }

  async start(): Promise<void> {
    await this.#advance();
  }

  async stop(): Promise<void> {
    await this.#rows.return?.();
  }

  /** The log has this many entries now. `root` gives undefined when entries are missing before. */
  async at(size: number, root: () => Uint8Array | undefined): Promise<void> {
    while (this.#row !== undefined && this.#row.size <= size && this.#row.epoch <= this.#epoch) {
      const checkpoint = this.#valid(this.#row);
      if (checkpoint === undefined) this.#invalid = true;
      else this.#compare(checkpoint, size, root);
      await this.#advance();
    }
  }

  /** The log ends with this many entries: checkpoints beyond tell that some are missing. */
  async end(size: number): Promise<void> {
    await this.#passed(size);
    let begun = false;
    while (this.#row !== undefined) {
      const checkpoint = this.#valid(this.#row);
      if (checkpoint !== undefined) {
        this.#newest = checkpoint;
        const message = `a checkpoint is of epoch ${checkpoint.epoch}, which no recovery began`;
        if (!begun) this.#context.report.found("RecoveryInvalid", { size: checkpoint.size }, message);
        begun = true;
      }
      await this.#advance();
    }
  }

  /** The epoch ends with this many entries. */
  async #passed(size: number): Promise<void> {
    const signed = this.#newest?.size ?? 0;
    if (signed < size && (this.#row === undefined || this.#row.epoch > this.#epoch) && !this.#invalid) {
      const message = `the entries ${signed} to ${size - 1} came without a checkpoint`;
      this.#context.report.found("CheckpointMissing", { index: signed, size }, message);
    }
    let missing = false;
    while (this.#row !== undefined && this.#row.epoch <= this.#epoch) {
      const checkpoint = this.#valid(this.#row);
      if (checkpoint !== undefined) {
        this.#newest = checkpoint;
        if (!missing) {
          const message = `a checkpoint signs ${checkpoint.size} entries, the log has ${size}`;
          this.#context.report.found("LogEntryMissing", { index: size, size: checkpoint.size }, message);
        }
        missing = true;
      }
      await this.#advance();
    }
  }

  async #advance(): Promise<void> {
    const next = await this.#rows.next();
    this.#row = next.done === true ? undefined : next.value;
  }

  #valid({ note, epoch, size }: StoredCheckpoint): Checkpoint | undefined {
    const { report, pinned, tenant } = this.#context;
    report.counts.checkpoints++;
    try {
      const checkpoint = verifyCheckpoint(note, pinned);
      if (checkpoint.tenant !== tenant || checkpoint.epoch !== epoch || checkpoint.size !== size) {
        report.found(
          "CheckpointInvalid",
          { size },
          "it is another tenant's, or of another epoch or size than its row says",
        );
        return undefined;
      }
      const before = this.#newest;
      if (before !== undefined && (checkpoint.epoch < before.epoch || !grows(before, checkpoint))) {
        report.found("CheckpointInvalid", { size }, "it does not come after the checkpoint before it");
        return undefined;
      }
      return checkpoint;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      report.found(error.code === "KeyInvalid" ? "KeyNotPinned" : "CheckpointInvalid", { size }, error.message);
      return undefined;
    }
  }

  #compare(checkpoint: Checkpoint, size: number, root: () => Uint8Array | undefined): void {
    const since = this.#newest?.size ?? 0;
    this.#newest = checkpoint;
    // Once wrong, every later root is: one finding tells where it began.
    if (this.#rootWrong || checkpoint.size !== size) return;
    const own = root();
    if (own === undefined || sameBytes(own, checkpoint.root)) return;
    this.#rootWrong = true;
    const message = `the entries ${since} to ${size - 1} are not those that the checkpoint of size ${size} signed`;
    this.#context.report.found("LogRootMismatch", { index: since, size }, message);
  }
}

/** Within an epoch the size grows; a new epoch may begin where the last checkpoint was. */
function grows(before: Checkpoint, next: Checkpoint): boolean {
  return next.epoch > before.epoch ? next.size >= before.size : next.size > before.size;
}
