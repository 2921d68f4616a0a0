import {
  LedgerError,
  type LogEntry,
  type PinnedKeys,
  parseBlockHeader,
  parseSegmentHeader,
  type Registration,
  type SignedRegistration,
  sha256,
  verifyRegistration,
  verifySegmentSignature,
} from "@heauth/core/ledger";
import { type QueuedItem, sealedBlockHeader, sealedRegistration, sealedSegmentHeader, type Tx } from "@heauth/store";
import { Halt } from "./halt.ts";

type Place = { readonly number: number; readonly seq: number; readonly previous: string | undefined };
const START: Place = { number: 0, seq: 0, previous: undefined };

/** Checks what is to be appended against what the log has: registration, signature, number, previous hash. One for each batch. */
export class QueueCheck {
  readonly #tx: Tx;
  readonly #tenantId: string;
  readonly #pinned: PinnedKeys;
  readonly #inForce: ReadonlySet<string>;
  readonly #registrations = new Map<string, Registration>();
  readonly #journals = new Map<string, Place>();
  #block: Omit<Place, "seq"> | undefined;

  /** @param inForce ids of the program keys that may vouch for a new journal */
  constructor(tx: Tx, tenantId: string, pinned: PinnedKeys, inForce: ReadonlySet<string>) {
    this.#tx = tx;
    this.#tenantId = tenantId;
    this.#pinned = pinned;
    this.#inForce = inForce;
  }

  /**
   * The log's entry for the item.
   * @throws Halt when it may not go into the log
   */
  async entry(item: QueuedItem): Promise<LogEntry> {
    if (item.row === undefined) throw new Halt("LogEntryMissing", `${nameOf(item)} is queued and not there`);
    try {
      switch (item.kind) {
        case "registration":
          this.#vouchedFor(item.journal, this.#register(item.journal, item.row));
          return { kind: item.kind, ...item.row };
        case "segment":
          await this.#segment(item.journal, item.number, item.row);
          return { kind: item.kind, ...item.row };
        case "block":
          await this.#takeBlock(item.number, item.row.header);
          return { kind: item.kind, ...item.row };
      }
    } catch (error) {
      if (error instanceof LedgerError)
        throw new Halt(CLASS[error.code] ?? "HeaderAltered", `${nameOf(item)}: ${error.message}`);
      throw error;
    }
  }

  #vouchedFor(journal: string, { registrar }: Registration): void {
    if (this.#inForce.has(registrar)) return;
    throw new Halt("KeyNotPinned", `the registration of journal ${journal}: ${registrar} is not in force`);
  }

  #register(journal: string, signed: SignedRegistration): Registration {
    const registration = verifyRegistration(signed, this.#pinned);
    if (registration.journal !== journal || registration.tenant !== this.#tenantId) {
      throw new Halt("HeaderAltered", `registration of journal ${journal}: it names another journal or tenant`);
    }
    this.#registrations.set(journal, registration);
    return registration;
  }

  async #segment(
    journal: string,
    number: number,
    { header, signature }: { header: Buffer; signature: Buffer },
  ): Promise<void> {
    const name = `segment ${number} of journal ${journal}`;
    const parsed = parseSegmentHeader(header);
    if (parsed.tenant !== this.#tenantId || parsed.journal !== journal || parsed.number !== number) {
      throw new Halt("HeaderAltered", `${name}: the header is of another one`);
    }
    const signer = await this.#registered(parsed.signer);
    const own = await this.#registered(journal);
    const allowed = parsed.signer === journal || signer?.recovers?.includes(journal) === true;
    if (signer === undefined || own === undefined || !allowed) {
      throw new Halt("UnregisteredJournal", `${name}: its journal or signer is not registered in the log`);
    }
    if (!verifySegmentSignature(header, signature, Buffer.from(signer.key, "base64url"))) {
      throw new Halt("SignatureInvalid", `${name}: the signature is not valid`);
    }
    const place = this.#journals.get(journal) ?? (await this.#placeBefore(journal, number));
    if (place === undefined || place.number !== number || place.seq !== parsed.first) {
      throw new Halt("NumberGap", `${name}: the one before it is not in the log`);
    }
    if (place.previous !== parsed.previous) throw new Halt("LinkBroken", `${name}: previous is not the one before it`);
    this.#journals.set(journal, { number: number + 1, seq: parsed.first + parsed.count, previous: hashOf(header) });
  }

  async #takeBlock(number: number, header: Buffer): Promise<void> {
    const parsed = parseBlockHeader(header);
    if (parsed.tenant !== this.#tenantId || parsed.number !== number) {
      throw new Halt("BlockAltered", `block ${number}: the header is of another one`);
    }
    const place = this.#block ?? (await this.#blockBefore(number));
    if (place === undefined || place.number !== number) {
      throw new Halt("BlockMissing", `block ${number}: the one before it is not in the log`);
    }
    if (place.previous !== parsed.previous)
      throw new Halt("LinkBroken", `block ${number}: previous is not the one before it`);
    this.#block = { number: number + 1, previous: hashOf(header) };
  }

  /** A journal's registration from the log, its signatures checked again: what lies in the database is not believed. */
  async #registered(journal: string): Promise<Registration | undefined> {
    const known = this.#registrations.get(journal);
    if (known !== undefined) return known;
    const signed = await sealedRegistration(this.#tx, this.#tenantId, journal);
    if (signed !== undefined) this.#register(journal, signed);
    return this.#registrations.get(journal);
  }

  async #placeBefore(journal: string, number: number): Promise<Place | undefined> {
    if (number === 0) return START;
    const header = await sealedSegmentHeader(this.#tx, this.#tenantId, journal, number - 1);
    if (header === undefined) return undefined;
    const { first, count } = parseSegmentHeader(header);
    return { number, seq: first + count, previous: hashOf(header) };
  }

  async #blockBefore(number: number): Promise<Omit<Place, "seq"> | undefined> {
    if (number === 0) return START;
    const header = await sealedBlockHeader(this.#tx, this.#tenantId, number - 1);
    return header && { number, previous: hashOf(header) };
  }
}

const CLASS: Readonly<Partial<Record<LedgerError["code"], "KeyNotPinned" | "SignatureInvalid">>> = {
  KeyInvalid: "KeyNotPinned",
  SignatureInvalid: "SignatureInvalid",
};

function hashOf(header: Uint8Array): string {
  return sha256(header).toString("base64url");
}

function nameOf(item: QueuedItem): string {
  switch (item.kind) {
    case "registration":
      return `the registration of journal ${item.journal}`;
    case "segment":
      return `segment ${item.number} of journal ${item.journal}`;
    case "block":
      return `block ${item.number}`;
  }
}
