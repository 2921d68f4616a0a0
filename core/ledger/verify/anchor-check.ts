import { LedgerError } from "../errors.ts";
import { sameBytes } from "../hash.ts";
import { type Checkpoint, parseCheckpoint, verifyCheckpoint } from "../log/checkpoint.ts";
import type { Recovery } from "../recovery.ts";
import type { Context } from "./context.ts";
import type { AnchorState } from "./verdict.ts";

/** Holds the log against a checkpoint that was kept outside the database. */
export class AnchorCheck {
  readonly #context: Context;
  readonly #anchor: Checkpoint | undefined;
  /** why there is nothing to hold it against */
  readonly problem: string | undefined;
  #state: AnchorState = "None";
  /** the log has another root at the anchor's size: a fork, unless a recovery said so */
  #differs = false;
  /** the first recovery after the anchor's epoch */
  #recovery: Recovery | undefined;

  constructor(context: Context, note: string | undefined) {
    this.#context = context;
    if (note === undefined) return;
    try {
      const { tenant } = parseCheckpoint(note);
      if (tenant === context.tenant) this.#anchor = verifyCheckpoint(note, context.pinned);
      else this.problem = "the anchor is another tenant's checkpoint";
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (error.code === "NoteInvalid") this.problem = `the anchor can't be read: ${error.message}`;
      else this.#found(error.code === "KeyInvalid" ? "KeyNotPinned" : "SignatureInvalid", undefined, error.message);
    }
  }

  get state(): AnchorState {
    return this.#state;
  }

  /** The log has this root at this size; undefined when its root can't be told because entries are missing. */
  at(size: number, root: () => Uint8Array | undefined): void {
    if (this.#anchor?.size !== size || this.#state !== "None" || this.#differs) return;
    const own = root();
    if (own === undefined) return;
    if (sameBytes(own, this.#anchor.root)) this.#state = "Matched";
    else this.#differs = true;
  }

  /** The log goes on in a new epoch, by a recovery that was checked. */
  recovered(recovery: Recovery): void {
    if (this.#anchor !== undefined && recovery.epoch > this.#anchor.epoch) this.#recovery ??= recovery;
  }

  /** The log ends here, with its newest checkpoint. */
  end(newest: { readonly size: number; readonly epoch: number } | undefined): void {
    const anchor = this.#anchor;
    if (anchor === undefined || this.#state === "Contradicted") return;
    const { size, epoch } = anchor;
    if (this.#state !== "Matched" && isStatedLost(anchor, this.#recovery)) {
      this.#state = "Recovered";
    } else if (this.#differs) {
      this.#found("Forked", size, "the anchor has another root for this size: history was forked");
    } else if (size > (newest?.size ?? 0) || epoch > (newest?.epoch ?? epoch)) {
      this.#found("RolledBack", size, `the anchor is ahead: the log's newest checkpoint has size ${newest?.size ?? 0}`);
    }
  }

  #found(
    kind: "Forked" | "RolledBack" | "KeyNotPinned" | "SignatureInvalid",
    size: number | undefined,
    message: string,
  ): void {
    this.#state = "Contradicted";
    this.#context.report.found(kind, { anchor: true, size }, message);
  }
}

/** Is what the anchor vouches for part of what a recovery says the log does not have? */
function isStatedLost(anchor: Checkpoint, recovery: Recovery | undefined): boolean {
  const stated = recovery?.anchor;
  if (recovery === undefined || stated === undefined || stated.epoch !== anchor.epoch || anchor.size > stated.size)
    return false;
  // What the log is said to have kept must be as the anchor knew it, unless it is said to be another history.
  if (anchor.size <= recovery.log.size && stated.size > recovery.log.size) return false;
  return anchor.size < stated.size || sameBytes(Buffer.from(stated.root, "base64url"), anchor.root);
}
