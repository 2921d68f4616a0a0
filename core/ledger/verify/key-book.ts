import { LedgerError } from "../errors.ts";
import { type KeyChange, parseKeyChange, verifyKeyChange } from "../key-change.ts";
import type { Context, Standing } from "./context.ts";
import type { StoredKeyChange } from "./source.ts";

/** Follows which program keys the log says are in force. */
export class KeyBook {
  readonly #context: Context;
  readonly #inForce = new Map<string, boolean>();
  /** a key change can't be read any more: it may have been any key's */
  #uncertain = false;

  constructor(context: Context) {
    this.#context = context;
  }

  take(row: StoredKeyChange, { index, asLogged }: Standing): void {
    const { report, tenant, pinned } = this.#context;
    const place = { index };
    let change: KeyChange;
    try {
      change = parseKeyChange(row.body);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      report.found("HeaderAltered", place, error.message);
      this.#uncertain = true;
      return;
    }
    if (!this.#operatorSigned(row)) {
      if (asLogged === false) report.found("HeaderAltered", place, "a key change is not the one that was sealed");
      else report.found("SignatureInvalid", place, "a key change is signed by no key of the operator in force");
      this.#uncertain ||= asLogged === false;
      return;
    }
    if (change.tenant !== tenant) report.found("HeaderAltered", place, "a key change of another tenant");
    if (change.event === "Pinned" && !pinned.has(change.id)) {
      report.found("KeyNotPinned", place, `the log brings ${change.id} into force, which is not among the pinned keys`);
    }
    this.#inForce.set(change.id, change.event === "Pinned");
  }

  #operatorSigned(row: StoredKeyChange): boolean {
    return [...this.#context.pinned.values()].some(
      ({ program, id, key }) => program === "operator" && this.#inForce.get(id) !== false && verifyKeyChange(row, key),
    );
  }

  /** Has the log told that this key is out of force? */
  retired(id: string): boolean {
    return this.#inForce.get(id) === false;
  }

  /** Why a pinned key may not be used here, or undefined. What is not sealed yet may come before its key's change. */
  fault(id: string, sealed: boolean): string | undefined {
    const inForce = this.#inForce.get(id);
    if (inForce === false) return `${id} was retired before`;
    if (inForce === undefined && sealed && !this.#uncertain) return `the log never brought ${id} into force`;
    return undefined;
  }
}
