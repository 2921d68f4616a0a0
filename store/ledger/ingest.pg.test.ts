import {
  encodeRecord,
  JOURNAL_START,
  leafHash,
  parseRecord,
  type RecordInput,
  unpackRecords,
} from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  type TestDatabase,
  TestJournal,
  type TestSession,
  testDatabase,
  testKeys,
} from "../testing/index.ts";
import { insertSegments } from "./ingest.ts";
import { LedgerWriter } from "./writer.ts";

const keys = testKeys();
let store: TestDatabase;
let hub: Database;
let identity: Database;
let tenant: string;
let session: TestSession;
let journal: TestJournal;

beforeAll(async () => {
  store = await testDatabase();
  hub = await store.database("heauth_hub");
  identity = await store.database("heauth_identity");
});
afterAll(() => store.drop());

beforeEach(async () => {
  tenant = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  session = await insertSession(store.superuser, keys, tenant);
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  await identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [openingOf(session)]));
  journal = new TestJournal(tenant, keys.hub);
  await hub.transaction((tx) => journal.register(tx, keys.hub));
});

function ship(segments: Parameters<typeof insertSegments>[3], name = journal.id, of = tenant) {
  return hub.transaction((tx) => insertSegments(tx, of, name, segments));
}

async function count(table: string): Promise<number> {
  const [row] = await store.superuser.query<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE tenant_id = $1`, [
    tenant,
  ]);
  return row?.n ?? -1;
}

describe("segments that are as they must be", () => {
  test("are stored with their sessions' rows, queued for the log, and move the head", async () => {
    const first = journal.seal(decision(session.id), decision(undefined), decision(session.id));
    const second = journal.seal(decision(session.id));
    const head = await ship([first, second]);
    expect(head).toMatchObject({ number: 2, seq: 5 });
    const rows = await store.superuser.query(
      `SELECT number, session_id, positions, length(leaves) AS leaves, privates IS NOT NULL AS privates FROM segment_session
        WHERE tenant_id = $1 AND journal_id = $2 ORDER BY number, session_id`,
      [tenant, journal.id],
    );
    expect(rows).toEqual([
      { number: 0, session_id: "00000000-0000-0000-0000-000000000000", positions: [0, 2], leaves: 64, privates: true },
      { number: 0, session_id: session.id, positions: [1, 3], leaves: 64, privates: true },
      { number: 1, session_id: session.id, positions: [0], leaves: 32, privates: true },
    ]);
    const queue = await store.superuser.query(
      "SELECT kind, number FROM seal_queue WHERE tenant_id = $1 AND journal_id = $2 ORDER BY id",
      [tenant, journal.id],
    );
    expect(queue).toEqual([
      { kind: "registration", number: null },
      { kind: "segment", number: 0 },
      { kind: "segment", number: 1 },
    ]);
  });

  test("tell the active block of the actions, and the session of its last use", async () => {
    const at = Date.now() * 1000;
    await store.superuser.query("UPDATE session SET last_seen_at = now() - interval '10 minutes' WHERE id = $1", [
      session.id,
    ]);
    await ship([
      journal.seal(
        decision(session.id, { at }),
        decision(session.id, { at: at + 1, decision: "Deny", reason: "RoleMissing", action: "patient.write" }),
      ),
    ]);
    const [block] = await store.superuser.query(
      "SELECT actions, last_action, last_action_at, closing_at FROM active_block WHERE session_id = $1",
      [session.id],
    );
    expect(block).toEqual({ actions: 2, last_action: "patient.write", last_action_at: at + 1, closing_at: null });
    const [row] = await store.superuser.query("SELECT last_seen_at FROM session WHERE id = $1", [session.id]);
    expect(row).toEqual({ last_seen_at: at });
  });

  test("denied requests, and a clock that runs ahead, do not keep a session from idling", async () => {
    const before = Date.now() * 1000 - 600e6;
    await store.superuser.query("UPDATE session SET last_seen_at = heauth.at($2) WHERE id = $1", [session.id, before]);
    await ship([journal.seal(decision(session.id, { decision: "Deny", reason: "BadSignature" }))]);
    const seen = () =>
      store.superuser.query<{ last_seen_at: number }>("SELECT last_seen_at FROM session WHERE id = $1", [session.id]);
    expect(await seen()).toEqual([{ last_seen_at: before }]);
    await ship([journal.seal(decision(session.id, { at: Date.now() * 1000 + 3600e6 }))]);
    expect((await seen())[0]?.last_seen_at).toBeLessThan(Date.now() * 1000 + 5e6);
  });

  test("sent again change nothing, also together with the next one", async () => {
    const first = journal.seal(decision(session.id));
    await ship([first]);
    expect(await ship([first])).toMatchObject({ number: 1, seq: 2 });
    const second = journal.seal(decision(session.id));
    expect(await ship([first, second])).toMatchObject({ number: 2, seq: 3 });
    const [block] = await store.superuser.query("SELECT actions FROM active_block WHERE session_id = $1", [session.id]);
    expect(block).toEqual({ actions: 2 });
  });

  test("sent by two at once are stored once", async () => {
    const segments = [journal.seal(decision(session.id)), journal.seal(decision(session.id))];
    const heads = await Promise.all([ship(segments), ship(segments), ship(segments)]);
    expect(heads.map(({ number }) => number)).toEqual([2, 2, 2]);
    const [block] = await store.superuser.query("SELECT actions FROM active_block WHERE session_id = $1", [session.id]);
    expect(block).toEqual({ actions: 2 });
  });

  test("of an ended process are taken from the journal that recovers it, and end it", async () => {
    await ship([journal.seal(decision(session.id))]);
    const left = journal.seal(decision(session.id), { type: "journal.close" });
    const heir = new TestJournal(tenant, keys.hub, { recovers: [journal.id] });
    const { recovered } = await hub.transaction((tx) => heir.register(tx, keys.hub));
    expect(recovered).toMatchObject([{ journal: journal.id, head: { number: 1, seq: 2 }, final: false }]);
    const records = recordsOf(left.records);
    const resealed = heir.sealRecords(records, recovered[0]?.head ?? JOURNAL_START, journal.id);
    await ship([{ ...resealed, privates: left.privates }]);
    await expect(ship([journal.seal(decision(session.id))])).rejects.toMatchObject({ code: "JournalFinal" });
  });
});

describe("refused, and nothing of it stored", () => {
  async function refused(segments: Parameters<typeof insertSegments>[3], code: string, name = journal.id) {
    const before = [await count("segment"), await count("segment_session"), await count("seal_queue")];
    await expect(ship(segments, name)).rejects.toMatchObject({ code });
    expect([await count("segment"), await count("segment_session"), await count("seal_queue")]).toEqual(before);
  }

  test("another segment under a number that is stored: equivocation", async () => {
    const start = journal.head;
    await ship([journal.seal(decision(session.id))]);
    const other = new TestJournal(tenant, keys.hub).seal(decision(session.id, { action: "patient.write" }));
    const forged = journal.sealRecords(recordsOf(other.records), start);
    await refused([forged], "SegmentRefused"); // ids are not this journal's
    const own = encode({ type: "journal.open" }, 0);
    await refused([journal.sealRecords([own], start)], "Equivocation");
  });

  test("a number that leaves one out", async () => {
    journal.seal(decision(session.id));
    await refused([journal.seal(decision(session.id))], "OutOfOrder");
  });

  test("a signature by another key, or with a bit changed", async () => {
    const good = journal.seal(decision(session.id));
    const stranger = new TestJournal(tenant, keys.hub);
    await refused([{ ...good, signature: stranger.seal(decision(session.id)).signature }], "SegmentRefused");
    const signature = Buffer.from(good.signature);
    signature[5] = (signature[5] ?? 0) ^ 1;
    await refused([{ ...good, signature }], "SegmentRefused");
    await expect(ship([good])).resolves.toBeDefined();
  });

  test("records, private parts or a header with a byte changed", async () => {
    const good = journal.seal(decision(session.id));
    for (const part of ["header", "records", "privates"] as const) {
      const bytes = Buffer.from(good[part]);
      bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 1;
      await refused([{ ...good, [part]: bytes }], "SegmentRefused");
    }
    await refused([{ ...good, privates: Buffer.alloc(0) }], "SegmentRefused");
  });

  test("a journal that is not registered, or is another tenant's", async () => {
    const stranger = new TestJournal(tenant, keys.hub);
    await refused([stranger.seal(decision(session.id))], "JournalUnknown", stranger.id);
    const other = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
    const foreign = new TestJournal(other, keys.hub);
    await hub.transaction((tx) => foreign.register(tx, keys.hub));
    await refused([foreign.seal(decision(undefined))], "JournalUnknown", foreign.id);
    await expect(ship([foreign.seal(decision(undefined))], journal.id)).rejects.toMatchObject({
      code: "SegmentRefused",
    });
  });

  test.each<RecordInput>([
    { type: "session.close", session: "", reason: "Logout", at: 1, source: "sidecar" },
    { type: "identity.user-created", at: 1, source: "sidecar" },
    { type: "policy.put", at: 1, source: "sidecar" },
    { type: "decision", decision: "Allow", at: 1, source: "identity" },
    { type: "decision", decision: "Allow", at: 1, source: "sidecar", pod: "shop/other-0" },
  ])("a record that a sidecar may not write: %j", async (input) => {
    const record = encode("session" in input ? ({ ...input, session: session.id } as RecordInput) : input, 1);
    await refused(
      [journal.sealRecords([encode({ type: "journal.open" }, 0), record], JOURNAL_START)],
      "SegmentRefused",
    );
  });

  test("records that do not link to the session's one before", async () => {
    await ship([journal.seal(decision(session.id))]);
    await refused(
      [journal.sealRecords([encode({ type: "decision", decision: "Allow", session: session.id }, 2)], journal.head)],
      "SegmentRefused",
    );
  });

  test("records of a session that was never opened", async () => {
    const ghost = await insertSession(store.superuser, keys, tenant);
    await refused([journal.seal(decision(ghost.id))], "SegmentRefused");
  });

  test("a first record that is not journal.open, a second one, and a journal.close in the middle", async () => {
    await refused(
      [journal.sealRecords([encode({ type: "decision", decision: "Allow" }, 0)], JOURNAL_START)],
      "SegmentRefused",
    );
    const two = [encode({ type: "journal.open" }, 0), encode({ type: "journal.open" }, 1)];
    await refused([journal.sealRecords(two, JOURNAL_START)], "SegmentRefused");
    const closed = [
      encode({ type: "journal.open" }, 0),
      encode({ type: "journal.close" }, 1),
      encode({ type: "decision", decision: "Allow" }, 2),
    ];
    await refused([journal.sealRecords(closed, JOURNAL_START)], "SegmentRefused");
  });

  test("one that signs for a journal that its registration does not recover", async () => {
    const other = new TestJournal(tenant, keys.hub);
    await hub.transaction((tx) => other.register(tx, keys.hub));
    await refused(
      [other.sealRecords([encode({ type: "journal.open" }, 0)], JOURNAL_START, journal.id)],
      "SegmentRefused",
    );
  });

  function encode(input: { type: string; [field: string]: unknown }, seq: number) {
    const full = { at: Date.now() * 1000, source: "sidecar", ...input } as RecordInput;
    return encodeRecord(full, { tenant, journal: journal.id, seq, prev: undefined });
  }
});

describe("registrations", () => {
  test("are refused from a registrar that can't vouch, for another pod's journal, or an unknown one", async () => {
    const sidecar = new TestJournal(tenant, keys.identity);
    await expect(hub.transaction((tx) => sidecar.register(tx, keys.identity))).rejects.toMatchObject({
      code: "RegistrationRefused",
    });
    await expect(hub.transaction((tx) => sidecar.register(tx, keys.hub))).rejects.toMatchObject({
      code: "RegistrationRefused",
    });
    const elsewhere = new TestJournal(tenant, keys.hub, { pod: "shop/web-1", recovers: [journal.id] });
    await expect(hub.transaction((tx) => elsewhere.register(tx, keys.hub))).rejects.toMatchObject({
      code: "RegistrationRefused",
    });
    const nothing = new TestJournal(tenant, keys.hub, { recovers: [uuidv7()] });
    await expect(hub.transaction((tx) => nothing.register(tx, keys.hub))).rejects.toMatchObject({
      code: "JournalUnknown",
    });
  });

  test("again give the same answer; with other content they are equivocation", async () => {
    const before = await count("seal_queue");
    const first = await hub.transaction((tx) => journal.register(tx, keys.hub));
    const second = await hub.transaction((tx) => journal.register(tx, keys.hub));
    expect(second).toEqual(first);
    expect(await count("seal_queue")).toBe(before);
    await store.superuser.query("UPDATE journal SET registration = registration || ' ' WHERE id = $1", [journal.id]);
    await expect(hub.transaction((tx) => journal.register(tx, keys.hub))).rejects.toMatchObject({
      code: "Equivocation",
    });
  });
});

function recordsOf(packed: Buffer) {
  return unpackRecords(packed).map((bytes) => {
    const { type, at, session: of } = parseRecord(bytes);
    return { seq: 0, type, at, session: of, bytes, leaf: leafHash(bytes), private: undefined };
  });
}
