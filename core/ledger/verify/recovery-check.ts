import { LedgerError } from "../errors.ts";
import { sameBytes } from "../hash.ts";
import { entriesLost, type Recovery, verifyRecovery } from "../recovery.ts";
import type { Context, Standing } from "./context.ts";
import type { KeyBook } from "./key-book.ts";
import type { StoredRecovery } from "./source.ts";

/** Checks recoveries: who signed them, and that they say of the log before them what it is. */
export class RecoveryCheck {
  readonly #context: Context;
  readonly #keys: KeyBook;

  constructor(context: Context, keys: KeyBook) {
    this.#context = context;
    this.#keys = keys;
  }

  /**
   * The recovery, when it is one to be believed.
   * @param log the epoch and the root before it; the root is undefined when that can't be told
   */
  take(
    row: StoredRecovery,
    { index, asLogged }: Standing,
    log: { readonly epoch: number; readonly root: Uint8Array | undefined },
  ): Recovery | undefined {
    const { report, tenant } = this.#context;
    const recovery = this.#verified(row, { index, asLogged });
    if (recovery === undefined) return undefined;
    const fault = this.#keys.retired(recovery.signer)
      ? `${recovery.signer} was retired before`
      : wrongly(recovery, tenant, index, log);
    if (fault !== undefined) {
      report.found("RecoveryInvalid", { index }, `recovery: ${fault}`);
      return undefined;
    }
    const { epoch, at, signer, reason, finding, anchor } = recovery;
    const lost = entriesLost(recovery);
    report.recovery({ epoch, at, signer, reason, finding, size: recovery.log.size, anchorSize: anchor?.size, lost });
    return recovery;
  }

  #verified(row: StoredRecovery, { index, asLogged }: Standing): Recovery | undefined {
    const { report, pinned } = this.#context;
    try {
      return verifyRecovery(row, pinned);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (asLogged === false || error.code === "DocumentInvalid") {
        report.found("HeaderAltered", { index }, error.message);
      } else report.found(error.code === "KeyInvalid" ? "KeyNotPinned" : "SignatureInvalid", { index }, error.message);
      return undefined;
    }
  }
}

function wrongly(
  { tenant, log }: Recovery,
  own: string,
  index: number | undefined,
  before: { readonly epoch: number; readonly root: Uint8Array | undefined },
): string | undefined {
  if (tenant !== own) return "it is another tenant's";
  if (log.size !== index) return `it goes on from ${log.size} entries, not from those before it`;
  if (log.epoch !== before.epoch) return `it goes on from epoch ${log.epoch}, the log is in epoch ${before.epoch}`;
  const root = Buffer.from(log.root, "base64url");
  if (before.root !== undefined && !sameBytes(root, before.root)) return "it goes on from a log with another root";
  return undefined;
}
