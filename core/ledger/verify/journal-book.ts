import type { KeyObject } from "node:crypto";
import { publicKeyOf } from "../ed25519.ts";
import { LedgerError } from "../errors.ts";
import { type JournalProgram, type Registration, verifyRegistration } from "../registration.ts";
import type { Context, Standing } from "./context.ts";
import type { KeyBook } from "./key-book.ts";
import type { StoredRegistration } from "./source.ts";

const MOST_MISSING = 1000;

/** A journal that may still go on. */
export type JournalState = {
  readonly program: JournalProgram;
  readonly pod: string | undefined;
  /** keys of the journals that may sign for it: its own, and those that recover it */
  readonly signers: Map<string, KeyObject>;
  /** next segment's number */
  number: number;
  /** next record's seq; undefined when the last header can't be relied on */
  seq: number | undefined;
  /** hash of the last header; undefined when that one can't be relied on */
  previous: Uint8Array | undefined;
};

/** Follows the journals: which are registered, how far each is. An ended one costs about 100 bytes. */
export class JournalBook {
  readonly #context: Context;
  readonly #keys: KeyBook;
  readonly #open = new Map<string, JournalState>();
  readonly #ended = new Map<string, number>();
  readonly #missing = new Map<string, Set<number>>();

  constructor(context: Context, keys: KeyBook) {
    this.#context = context;
    this.#keys = keys;
  }

  get(journal: string): JournalState | undefined {
    return this.#open.get(journal);
  }

  /** The numbers that were skipped and never came, by journal. */
  missing(): ReadonlyMap<string, ReadonlySet<number>> {
    return this.#missing;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** The number of an ended journal's last segment. */
  endedAt(journal: string): number | undefined {
    return this.#ended.get(journal);
  }

  /** Have the journal's segments up to this number been met? */
  reached(journal: string, number: number): boolean {
    return this.#ended.has(journal) || (this.#open.get(journal)?.number ?? 0) > number;
  }

  /** A number was skipped. More than a thousand of one journal are not remembered. */
  skip(journal: string, number: number): void {
    const numbers = this.#missing.get(journal) ?? new Set();
    if (numbers.size < MOST_MISSING) this.#missing.set(journal, numbers.add(number));
  }

  /** Takes back a skipped number: it came after all. */
  unskip(journal: string, number: number): boolean {
    return this.#missing.get(journal)?.delete(number) ?? false;
  }

  end(journal: string, number: number): void {
    this.#open.delete(journal);
    this.#ended.set(journal, number);
  }

  take(row: StoredRegistration, { index, asLogged }: Standing): void {
    const { report, damage } = this.#context;
    const place = { index, journal: row.journal };
    const registration = this.#verified(row, { index, asLogged });
    if (registration === undefined) {
      damage.markWhole(row.journal);
      return;
    }
    if (this.#open.has(row.journal) || this.#ended.has(row.journal)) {
      report.found("Duplicate", place, "the journal is registered twice");
      return;
    }
    report.counts.journals++;
    const key = publicKeyOf(Buffer.from(registration.key, "base64url"));
    this.#open.set(registration.journal, {
      program: registration.program,
      pod: registration.pod,
      signers: new Map([[registration.journal, key]]),
      number: 0,
      seq: 0,
      previous: undefined,
    });
    for (const recovered of registration.recovers ?? []) this.#recover(registration, key, recovered, index);
  }

  #verified(row: StoredRegistration, { index, asLogged }: Standing): Registration | undefined {
    const { report, pinned, tenant } = this.#context;
    const place = { index, journal: row.journal };
    let registration: Registration;
    try {
      registration = verifyRegistration(row, pinned);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (asLogged === false || error.code === "DocumentInvalid") report.found("HeaderAltered", place, error.message);
      else report.found(error.code === "KeyInvalid" ? "KeyNotPinned" : "SignatureInvalid", place, error.message);
      return undefined;
    }
    if (registration.journal !== row.journal || registration.tenant !== tenant) {
      report.found("HeaderAltered", place, "the registration is another journal's or tenant's than its row says");
      return undefined;
    }
    const { columns } = row;
    if (columns !== undefined && (columns.program !== registration.program || columns.pod !== registration.pod)) {
      report.found("HeaderAltered", place, "its row says another program or pod than the registration");
    }
    const fault = this.#keys.fault(registration.registrar, index !== undefined);
    if (fault !== undefined) {
      report.found("KeyNotPinned", place, `registration: ${fault}`);
      return undefined;
    }
    return registration;
  }

  #recover(by: Registration, key: KeyObject, journal: string, index: number | undefined): void {
    const state = this.#open.get(journal);
    // An ended journal has nothing left to recover: a process may only not have known.
    if (this.#ended.has(journal)) return;
    if (state === undefined || state.program !== by.program || state.pod !== by.pod) {
      const message = `it may not recover ${journal}: not a journal of the same program and pod`;
      if (!this.#context.damage.isWhole(journal)) {
        this.#context.report.found("UnregisteredJournal", { index, journal: by.journal }, message);
      }
      return;
    }
    state.signers.set(by.journal, key);
  }
}
