import { type BlockDraft, buildBlockHeader, type SessionLeaves } from "../block.ts";
import { canonicalBytes } from "../canonical.ts";
import { Frontier } from "../frontier.ts";
import { sha256 } from "../hash.ts";
import { signKeyChange } from "../key-change.ts";
import type { ProgramSigner } from "../keys.ts";
import { parseCheckpoint, signCheckpoint } from "../log/checkpoint.ts";
import { entryLeaf } from "../log/entry.ts";
import type { EncodedRecord } from "../record/encode.ts";
import { parseRecord } from "../record/parse.ts";
import type { JournalRange } from "../record/types.ts";
import { type Recovery, signRecovery, statedHead } from "../recovery.ts";
import {
  buildRegistration,
  countersignRegistration,
  type JournalProgram,
  registrarOf,
  signPossession,
} from "../registration.ts";
import type { StoredRow, StoredSegment, StoredSessionPart } from "../verify/source.ts";
import { type TestKeys, testKeys } from "./keys.ts";
import type { StoredLedger } from "./memory-source.ts";
import { Random } from "./random.ts";
import { TestJournal } from "./test-journal.ts";

/** Where a session's record is. */
type Whereabouts = {
  readonly journal: string;
  readonly number: number;
  readonly seq: number;
  readonly leaf: Uint8Array;
};

type TestSession = {
  records: Whereabouts[];
  late: Whereabouts[];
  opened: number;
  closed: number;
  reason: string;
  actions: number;
  block: number | undefined;
};

const START = 1_790_000_000_000_000;

/** Keeps an honest ledger, as the programs would: journals, sessions, blocks, log, checkpoints. */
export class TestLedger {
  readonly keys: TestKeys = testKeys();
  readonly random: Random;
  readonly tenant: string;
  readonly journals: TestJournal[] = [];
  readonly sessions = new Map<string, TestSession>();
  readonly #stored: StoredLedger;
  readonly #log = Frontier.empty();
  #now = START;
  #blocks = 0;
  #epoch = 0;
  #previousBlock: Uint8Array | undefined;

  constructor(seed = 1) {
    this.random = new Random(seed);
    this.tenant = this.random.uuid7(START);
    this.#stored = {
      tenant: this.tenant,
      entries: [],
      unsealed: [],
      strays: [],
      checkpoints: [],
      statements: new Map(),
    };
    for (const key of this.keys.pinned.values()) {
      const change = signKeyChange({ tenant: this.tenant, key, at: this.now(), event: "Pinned" }, this.keys.operator);
      this.#stored.unsealed.push({ kind: "key", ...change });
    }
  }

  /** A moment later than the last one, µs. */
  now(): number {
    this.#now += 1 + this.random.below(2000);
    return this.#now;
  }

  uuid(): string {
    return this.random.uuid7(this.now());
  }

  /** Registers a journal and writes its `journal.open`. */
  openJournal(program: JournalProgram, options: { pod?: string; recovers?: readonly TestJournal[] } = {}): TestJournal {
    const { pod, recovers = [] } = options;
    const opened = this.now();
    const named = { tenant: this.tenant, journal: this.uuid(), program, ...(pod === undefined ? {} : { pod }) };
    const journal = new TestJournal(named, (row, records) => this.#store(row, records));
    const registrar = this.keys[registrarOf(program)];
    const body = buildRegistration({
      ...named,
      key: journal.key,
      opened,
      registrar: registrar.id,
      ...(recovers.length === 0 ? {} : { recovers: recovers.map(({ id }) => id) }),
    });
    const possession = signPossession(body, journal.key);
    const countersignature = countersignRegistration(body, possession, registrar);
    const signed = { body, possession, countersignature };
    this.#stored.unsealed.push({ kind: "registration", journal: journal.id, ...signed, columns: { program, pod } });
    this.journals.push(journal);
    journal.write([{ type: "journal.open", at: opened }]);
    return journal;
  }

  /** Opens a session in a journal of identity's or the cli's. */
  openSession(journal: TestJournal): string {
    const session = this.uuid();
    const at = this.now();
    const user = this.uuid();
    const body = canonicalBytes({
      v: 1,
      tenant: this.tenant,
      session,
      kind: "User",
      user,
      key: sha256(Buffer.from(session)).toString("base64url"),
      opened: at,
      expires: at + 36e8,
      signer: this.keys.identity.id,
    });
    const columns = { kind: "User", user, opened: at, expires: at + 36e8 };
    this.#stored.statements.set(session, { body, signature: this.keys.identity.sign("session", body), columns });
    const login = `user-${session.slice(-4)}`;
    journal.write([
      {
        type: "session.open",
        at,
        session,
        statement: sha256(body),
        private: { user, login, email: `${login}@clinic.test` },
      },
    ]);
    return session;
  }

  #store(row: StoredSegment, records: readonly EncodedRecord[]): void {
    this.#stored.unsealed.push(row);
    for (const { session, seq, leaf, type, at, bytes } of records) {
      if (session === undefined || type === "session.amend") continue;
      const known = this.sessions.get(session) ?? newSession(at);
      if (type === "session.close") {
        known.closed = at;
        known.reason = parseRecord(bytes).reason ?? "";
      }
      if (known.block === undefined && (type === "decision" || type === "action")) known.actions++;
      const where = { journal: row.journal, number: row.number, seq, leaf };
      (known.block === undefined ? known.records : known.late).push(where);
      this.sessions.set(session, known);
    }
  }

  /** Closes the block of a session that has its `session.close`. */
  closeBlock(session: string): void {
    const known = this.#session(session);
    const { opened, closed, reason, actions } = known;
    known.block = this.#blocks++;
    const draft: BlockDraft = {
      tenant: this.tenant,
      number: known.block,
      session,
      opened,
      closed,
      reason,
      journals: byJournal(known.records),
      ...(this.#previousBlock === undefined ? {} : { previous: this.#previousBlock }),
    };
    const header = buildBlockHeader(draft);
    this.#previousBlock = sha256(header);
    const columns = { opened, closed, reason, actions };
    this.#stored.unsealed.push({ kind: "block", number: draft.number, session, header, columns });
    known.records = [];
  }

  /** Tells of a closed session's late records in a journal of the operator's. */
  amend(session: string, journal: TestJournal): void {
    const known = this.#session(session);
    const journals: JournalRange[] = byJournal(known.late).map(({ leaves, ...range }) => ({
      ...range,
      count: leaves.length,
    }));
    journal.write([{ type: "session.amend", at: this.now(), session, block: { number: known.block ?? 0, journals } }]);
    known.late = [];
  }

  /** Erases a session's private parts, with the record that tells of it in a journal of identity's. */
  erase(session: string, journal: TestJournal): void {
    journal.write([{ type: "subject.erased", at: this.now(), erased: { sessions: [session] } }]);
    this.#erase((part) => part.session === session);
  }

  /** Drops the private parts of all segments that are sealed, but those of sessions that are to be spared; an operator's journal tells. */
  drop(journal: TestJournal, except: readonly string[] = []): void {
    const segments = this.#stored.entries.flatMap(({ row }) =>
      row?.kind === "segment" ? [{ journal: row.journal, first: row.number, last: row.number }] : [],
    );
    const erased = { segments, ...(except.length > 0 && { except }) };
    journal.write([{ type: "retention.dropped", at: this.now(), erased }]);
    const among = new Set(segments.map((range) => `${range.journal}/${range.first}`));
    this.#erase(({ session }, row) => among.has(`${row.journal}/${row.number}`) && !except.includes(session ?? ""));
  }

  #erase(isErased: (part: StoredSessionPart, segment: StoredSegment) => boolean): void {
    const erased = (row: StoredRow): StoredRow =>
      row.kind !== "segment"
        ? row
        : {
            ...row,
            sessions: row.sessions.map((part) => (isErased(part, row) ? { ...part, private: undefined } : part)),
          };
    this.#stored.entries = this.#stored.entries.map((entry) => ({ ...entry, row: entry.row && erased(entry.row) }));
    this.#stored.unsealed = this.#stored.unsealed.map(erased);
  }

  /** Goes on in a new epoch although the anchor says otherwise, and signs a checkpoint; what waits goes on waiting. */
  recover(
    anchor?: string,
    { by = this.keys.cli, ...changed }: Partial<Recovery> & { readonly by?: ProgramSigner } = {},
  ): void {
    const [epoch, size] = [this.#epoch, this.#log.size];
    const said = anchor === undefined ? undefined : parseCheckpoint(anchor);
    this.#epoch = Math.max(epoch, said?.epoch ?? 0) + 1;
    const recovery = {
      tenant: this.tenant,
      epoch: this.#epoch,
      at: this.now(),
      reason: "restored last night's backup",
      finding: said === undefined ? "AnchorMissing" : "RolledBack",
      log: statedHead({ epoch, size, root: this.#log.root() }),
      ...(said && anchor !== undefined && { anchor: { ...statedHead(said), note: anchor } }),
      ...changed,
    };
    this.#append({ kind: "recovery", ...signRecovery(recovery, by) });
    this.#sign();
  }

  /** Appends all that waits to the log, and signs a checkpoint. */
  seal(): void {
    const waiting = this.#stored.unsealed.splice(0);
    for (const row of waiting) this.#append(row);
    if (waiting.length > 0) this.#sign();
  }

  #append(row: StoredRow): void {
    const leaf = entryLeaf(row);
    this.#stored.entries.push({ index: this.#log.size, leaf, row });
    this.#log.append(leaf);
  }

  #sign(): void {
    const epoch = this.#epoch;
    const size = this.#log.size;
    const note = signCheckpoint({ tenant: this.tenant, epoch, size, root: this.#log.root() }, this.keys.operator);
    this.#stored.checkpoints.push({ epoch, size, note });
  }

  /** A copy of the rows as they are now. */
  stored(): StoredLedger {
    return structuredClone(this.#stored);
  }

  /** The newest checkpoint: an anchor. */
  anchor(): string | undefined {
    return this.#stored.checkpoints.at(-1)?.note;
  }

  #session(session: string): TestSession {
    const known = this.sessions.get(session);
    if (known === undefined) throw new RangeError(`no session ${session}`);
    return known;
  }
}

function newSession(opened: number): TestSession {
  return { records: [], late: [], opened, closed: 0, reason: "", actions: 0, block: undefined };
}

function byJournal(records: readonly Whereabouts[]): SessionLeaves[] {
  const groups = Map.groupBy(records, ({ journal }) => journal);
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([journal, own]) => {
      const ordered = own.toSorted((a, b) => a.seq - b.seq);
      const numbers = ordered.map(({ number }) => number);
      return {
        journal,
        first: Math.min(...numbers),
        last: Math.max(...numbers),
        leaves: ordered.map(({ leaf }) => leaf),
      };
    });
}
