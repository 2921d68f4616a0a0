import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  buildRegistration,
  type EncodedRecord,
  encodeRecord,
  type JournalHead,
  type JournalProgram,
  MAX_SEGMENT_RECORDS,
  type ProgramSigner,
  packPrivateParts,
  type RecordInput,
  sealSegment,
  signPossession,
} from "@heauth/core/ledger";
import { asError, fewAtATime, uuidv7 } from "@heauth/program";
import type { Database } from "../database.ts";
import type { Tx } from "../transaction.ts";
import { LedgerStoreError } from "./errors.ts";
import { insertSegments } from "./ingest.ts";
import { lastLeaves, lockJournalHead } from "./journals.ts";
import { registerJournal } from "./register.ts";

/** Journals that are closed at once: others need connections too. */
const CLOSED_AT_ONCE = 4;

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A record as a program gives it: when and by whom is filled in. `at`: µs, now where it is left out. */
export type RecordDraft = Without<RecordInput, "at" | "source" | "pod"> & { readonly at?: number };

export interface LedgerWriterOptions {
  readonly program: Exclude<JournalProgram, "sidecar">;
  /** Vouches for the program's journals. */
  readonly programKey: ProgramSigner & { readonly program: string };
  /** µs since the Unix epoch. */
  readonly now?: () => number;
}

/** This run's journal for one tenant. The private key is here only, and where the journal stands is in the database only. */
interface Journal {
  readonly id: string;
  readonly key: KeyObject;
  readonly registration: { readonly body: Buffer; readonly possession: Buffer };
}

/**
 * Writes a program's own records, in the transaction of what they tell of. Each run of the program has one journal per tenant; the
 * first append opens it. Nothing here runs ahead of the database: when the transaction is rolled back, nothing has happened.
 */
export class LedgerWriter {
  readonly #options: Required<LedgerWriterOptions>;
  readonly #journals = new Map<string, Journal>();
  #closed = false;

  constructor(options: LedgerWriterOptions) {
    this.#options = { now: () => Date.now() * 1000, ...options };
  }

  /**
   * Appends records to the tenant's journal of this run, which stays locked until the transaction ends.
   * @returns their ids
   * @throws LedgerStoreError WriterClosed; LedgerError RecordInvalid, RecordTooLarge
   */
  async append(tx: Tx, tenantId: string, records: readonly RecordDraft[]): Promise<string[]> {
    if (this.#closed) throw new LedgerStoreError("WriterClosed", "the program is stopping: nothing can be recorded");
    return this.#append(tx, tenantId, records, false);
  }

  /**
   * Ends the run's journals, a few at a time. Those that the database does not take, or for which there is no time, stay unfinished,
   * as after a crash.
   * @param deadline when it aborts, no other is begun
   * @throws LedgerStoreError JournalsUnfinished, when all the others are closed
   */
  async close(database: Database, deadline?: AbortSignal): Promise<void> {
    this.#closed = true;
    const failures: Error[] = [];
    let closed = 0;
    await fewAtATime(this.#journals, CLOSED_AT_ONCE, async ([tenantId, journal]) => {
      if (deadline?.aborted) return;
      try {
        await database.tenantTransaction(tenantId, (tx) => this.#closeJournal(tx, tenantId, journal));
        closed++;
      } catch (error) {
        failures.push(asError(error));
      }
    });
    const unfinished = this.#journals.size - closed;
    if (unfinished === 0) return;
    const late = unfinished - failures.length;
    const message = `${unfinished} of ${this.#journals.size} journals are not closed: ${failures.length} failed, ${late} had no time`;
    throw new LedgerStoreError("JournalsUnfinished", message, { cause: new AggregateError(failures, message) });
  }

  async #closeJournal(tx: Tx, tenantId: string, journal: Journal): Promise<void> {
    const stands = await lockJournalHead(tx, tenantId, journal.id);
    if (stands === undefined || stands.final) return;
    await this.#append(tx, tenantId, [{ type: "journal.close" }], true);
  }

  async #append(tx: Tx, tenantId: string, drafts: readonly RecordDraft[], final: boolean): Promise<string[]> {
    if (drafts.length === 0) return [];
    const journal = this.#journalOf(tenantId);
    const head = await this.#lock(tx, tenantId, journal);
    const opening: RecordDraft[] = head.seq === 0 ? [{ type: "journal.open" }] : [];
    const records = await this.#encode(tx, tenantId, journal, head, [...opening, ...drafts]);

    const segments = [];
    let at = head;
    for (let from = 0; from < records.length; from += MAX_SEGMENT_RECORDS) {
      const part = records.slice(from, from + MAX_SEGMENT_RECORDS);
      const last = from + part.length === records.length;
      const { key } = journal;
      const sealed = sealSegment({
        tenant: tenantId,
        journal: journal.id,
        key,
        head: at,
        records: part,
        final: final && last,
      });
      segments.push({ ...sealed, privates: packedPrivates(part) });
      at = sealed.next;
    }
    await insertSegments(tx, tenantId, journal.id, segments);
    return records.slice(opening.length).map(({ seq }) => `${journal.id}/${seq}`);
  }

  #journalOf(tenantId: string): Journal {
    const known = this.#journals.get(tenantId);
    if (known !== undefined) return known;
    const { program, programKey, now } = this.#options;
    const id = uuidv7();
    const { privateKey: key } = generateKeyPairSync("ed25519");
    const body = buildRegistration({
      tenant: tenantId,
      journal: id,
      key,
      program,
      opened: now(),
      registrar: programKey.id,
    });
    const registration = { body: ownBytes(body), possession: ownBytes(signPossession(body, key)) };
    const journal = { id, key, registration };
    this.#journals.set(tenantId, journal);
    return journal;
  }

  /** Two first appends at once: one registers, the other waits for it and, if that is rolled back, does so itself. */
  async #lock(tx: Tx, tenantId: string, journal: Journal): Promise<JournalHead> {
    let stands = await lockJournalHead(tx, tenantId, journal.id);
    if (stands === undefined) {
      await registerJournal(tx, tenantId, journal.registration, this.#options.programKey);
      stands = await lockJournalHead(tx, tenantId, journal.id);
    }
    if (stands === undefined) throw new LedgerStoreError("JournalUnknown", `journal ${journal.id} was not registered`);
    return stands.head;
  }

  async #encode(
    tx: Tx,
    tenantId: string,
    journal: Journal,
    head: JournalHead,
    drafts: readonly RecordDraft[],
  ): Promise<EncodedRecord[]> {
    const sessions = new Set(drafts.flatMap((draft) => ("session" in draft ? (draft.session ?? []) : [])));
    const last = await lastLeaves(tx, tenantId, journal.id, [...sessions]);
    return drafts.map((draft, index) => {
      const session = "session" in draft ? draft.session : undefined;
      const input = { ...draft, at: draft.at ?? this.#options.now(), source: this.#options.program } as RecordInput;
      const prev = session === undefined ? undefined : last.get(session)?.toString("base64url");
      const place = { tenant: tenantId, journal: journal.id, seq: head.seq + index, prev };
      const record = encodeRecord(input, place);
      if (session !== undefined) last.set(session, record.leaf);
      return record;
    });
  }
}

function packedPrivates(records: readonly EncodedRecord[]): Buffer {
  return packPrivateParts(
    records.flatMap((record, index) => (record.private === undefined ? [] : [{ index, salted: record.private }])),
  );
}

/** Small buffers are pieces of a pool's 64 KiB: one of each journal's, kept for the whole run, would keep as many pools. */
function ownBytes(bytes: Uint8Array): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}
