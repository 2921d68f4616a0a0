import { LedgerError } from "../errors.ts";
import { sameBytes } from "../hash.ts";
import { type Checkpoint, parseCheckpoint, verifyCheckpoint } from "../log/checkpoint.ts";
import type { Context } from "./context.ts";
import type { AnchorState } from "./verdict.ts";

/** Holds the log against a checkpoint that was kept outside the database. */
export class AnchorCheck {
  readonly #context: Context;
  readonly #anchor: Checkpoint | undefined;
  /** why there is nothing to hold it against */
  readonly problem: string | undefined;
  #state: AnchorState = "None";

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
    if (this.#anchor?.size !== size || this.#state !== "None") return;
    const own = root();
    if (own === undefined) return;
    if (sameBytes(own, this.#anchor.root)) this.#state = "Matched";
    else this.#found("Forked", size, "the anchor has another root for this size: history was forked");
  }

  /** The log ends here, with its newest checkpoint. */
  end(newest: { readonly size: number; readonly epoch: number } | undefined): void {
    if (this.#anchor === undefined || this.#state === "Contradicted") return;
    const { size, epoch } = this.#anchor;
    if (size > (newest?.size ?? 0) || epoch > (newest?.epoch ?? epoch)) {
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
