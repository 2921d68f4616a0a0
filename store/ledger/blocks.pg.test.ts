import { type BlockHeader, parseBlockHeader } from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  type TestDatabase,
  TestJournal,
  testDatabase,
  testKeys,
} from "../testing/index.ts";
import { amendBlock, blocksToAmend, blocksToClose, closeBlock } from "./blocks.ts";
import { insertSegments } from "./ingest.ts";
import { giveJournals, noteWatermark } from "./journals.ts";
import { endLostJournal } from "./lost-journals.ts";
import { LedgerWriter } from "./writer.ts";

const keys = testKeys();
let store: TestDatabase;
let hub: Database;
let identity: Database;
let operator: Database;
let tenantId: string;
let sessionId: string;
let writer: LedgerWriter;
let recorder: LedgerWriter;
let journal: TestJournal;

beforeAll(async () => {
  store = await testDatabase();
  [hub, identity, operator] = await Promise.all([
    store.database("heauth_hub"),
    store.database("heauth_identity"),
    store.database("heauth_operator"),
  ]);
});
afterAll(() => store.drop());

beforeEach(async () => {
  tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
  sessionId = await login();
  journal = new TestJournal(tenantId, keys.hub);
  await hub.transaction((tx) => journal.register(tx, keys.hub));
});

async function login(): Promise<string> {
  const session = await insertSession(store.superuser, keys, tenantId);
  await identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, [openingOf(session)]));
  return session.id;
}

async function logout(session = sessionId, closeSeq = 1): Promise<void> {
  await identity.tenantTransaction(tenantId, async (tx) => {
    await writer.append(tx, tenantId, [{ type: "session.close", session, reason: "LoggedOut" }]);
    await tx.query(
      "UPDATE session SET closed_at = now(), close_reason = 'LoggedOut', close_seq = $3 WHERE tenant_id = $1 AND id = $2",
      [tenantId, session, closeSeq],
    );
  });
}

function ship(...sessions: string[]) {
  const segment = journal.seal(...sessions.map((session) => decision(session)));
  return hub.transaction((tx) => insertSegments(tx, tenantId, journal.id, [segment]));
}

const due = async (graceMs = 60_000) =>
  (await operator.transaction((tx) => blocksToClose(tx, { graceMs, limit: 100 }))).filter(
    (each) => each.tenantId === tenantId,
  );
const close = (session = sessionId) =>
  operator.tenantTransaction(tenantId, (tx) => closeBlock(tx, { tenantId, sessionId: session }));

async function header(session = sessionId): Promise<BlockHeader | undefined> {
  const [row] = await store.superuser.query<{ header: Buffer }>(
    "SELECT header FROM closed_block WHERE session_id = $1",
    [session],
  );
  return row && parseBlockHeader(row.header);
}

test("a block waits for every sidecar journal to pass the session's end, or for the grace", async () => {
  const other = new TestJournal(tenantId, keys.hub, { pod: "shop/web-1" });
  await hub.transaction((tx) => other.register(tx, keys.hub));
  await logout(sessionId, 7);
  expect(await due()).toEqual([]);
  await hub.transaction((tx) => noteWatermark(tx, tenantId, journal.id, 9));
  await hub.transaction((tx) => noteWatermark(tx, tenantId, other.id, 6));
  expect(await due()).toEqual([]);
  expect(await due(0)).toEqual([{ tenantId, sessionId }]);
  await hub.transaction((tx) => noteWatermark(tx, tenantId, other.id, 7));
  expect(await due()).toEqual([{ tenantId, sessionId }]);
});

test("a journal that was found lost is not waited for, and what comes of it all the same is amended", async () => {
  await ship(sessionId);
  const podUid = uuidv7();
  const lose = () =>
    operator.tenantTransaction(tenantId, (tx) =>
      endLostJournal(tx, recorder, { tenantId, journalId: journal.id, podUid }, 0),
    );
  expect(await lose()).toBe(false);
  await hub.transaction((tx) => giveJournals(tx, tenantId, [journal.id], podUid));
  await logout();
  expect(await due()).toEqual([]);
  expect([await lose(), await lose()]).toEqual([true, false]);
  expect(await due()).toEqual([{ tenantId, sessionId }]);
  expect(await close()).toBe(0);
  await ship(sessionId);
  expect(await operator.transaction((tx) => blocksToAmend(tx, { waitMs: 0, limit: 100 }))).toContainEqual({
    tenantId,
    sessionId,
  });
});

test("a journal that is closed is not waited for, and a watermark never goes back", async () => {
  await logout();
  await hub.transaction(async (tx) => {
    await noteWatermark(tx, tenantId, journal.id, 3);
    await noteWatermark(tx, tenantId, journal.id, 0);
  });
  expect(await due()).toHaveLength(1);
  const closed = new TestJournal(tenantId, keys.hub);
  await hub.transaction(async (tx) => {
    await closed.register(tx, keys.hub);
    await insertSegments(tx, tenantId, closed.id, [closed.seal({ type: "journal.close" })]);
  });
  expect(await due()).toHaveLength(1);
});

test("a session that is open has no closed block", async () => {
  expect(await close()).toBeUndefined();
  expect(await header()).toBeUndefined();
});

test("blocks are numbered densely, chained, and hold all of their session's records", async () => {
  await ship(sessionId, sessionId);
  await ship(sessionId);
  await logout();
  expect(await close()).toBe(0);
  const next = await login();
  await logout(next, 2);
  expect(await close(next)).toBe(1);
  const [first, second] = [await header(), await header(next)];
  expect(first).toMatchObject({ number: 0, count: 5, reason: "LoggedOut" });
  expect(first?.journals.find((each) => each.journal === journal.id)).toMatchObject({ first: 0, last: 1, count: 3 });
  expect(first?.previous).toBeUndefined();
  expect(second).toMatchObject({ number: 1, count: 2, previous: expect.any(String) });
  expect(await close()).toBeUndefined();
});

test("of two who close the same block one does", async () => {
  await logout();
  const numbers = await Promise.all([close(), close(), close()]);
  expect(numbers.filter((number) => number !== undefined)).toEqual([0]);
});

test("every record is in the block or known as late, however segments and closing meet", async () => {
  for (let round = 0; round < 5; round++) {
    const session = await login();
    const journals = Array.from({ length: 4 }, () => new TestJournal(tenantId, keys.hub));
    for (const each of journals) await hub.transaction((tx) => each.register(tx, keys.hub));
    await logout(session, 10 + round);
    const segments = journals.map((each) => ({ each, segment: each.seal(decision(session), decision(session)) }));
    await Promise.all([
      ...segments.map(({ each, segment }) => hub.transaction((tx) => insertSegments(tx, tenantId, each.id, [segment]))),
      close(session),
    ]);
    const [late] = await store.superuser.query<{ count: number }>(
      "SELECT coalesce(sum(count), 0)::bigint AS count FROM late_record WHERE session_id = $1",
      [session],
    );
    expect(((await header(session))?.count ?? 0) + (late?.count ?? 0)).toBe(2 + 8);
  }
});

test("late records wait a moment and are told of in one amendment, which is none itself", async () => {
  await logout();
  await close();
  await ship(sessionId);
  await ship(sessionId, sessionId);
  const waiting = (waitMs: number) => operator.transaction((tx) => blocksToAmend(tx, { waitMs, limit: 100 }));
  expect(await waiting(60_000)).not.toContainEqual({ tenantId, sessionId });
  expect(await waiting(0)).toContainEqual({ tenantId, sessionId });
  await operator.tenantTransaction(tenantId, (tx) => amendBlock(tx, recorder, { tenantId, sessionId }));
  expect(await waiting(0)).not.toContainEqual({ tenantId, sessionId });
  const records = await store.superuser.query<{ records: Buffer }>(
    "SELECT records FROM segment JOIN journal ON journal.id = segment.journal_id WHERE journal.tenant_id = $1 AND program = 'operator'",
    [tenantId],
  );
  expect(records.map(({ records: packed }) => packed.toString()).join()).toContain(
    `"block":{"journals":[{"count":3,"first":0,"journal":"${journal.id}","last":1}],"number":0}`,
  );
});

test("of two who amend the same block one does", async () => {
  await logout();
  await close();
  await ship(sessionId);
  const other = new LedgerWriter({ program: "operator", programKey: keys.operator });
  const amend = (by: LedgerWriter) =>
    operator.tenantTransaction(tenantId, (tx) => amendBlock(tx, by, { tenantId, sessionId }));
  await Promise.all([amend(recorder), amend(other), amend(recorder)]);
  const [amendments] = await store.superuser.query(
    `SELECT count(*) FROM segment WHERE tenant_id = $1 AND position('"type":"session.amend"'::bytea IN records) > 0`,
    [tenantId],
  );
  expect(amendments).toEqual({ count: 1 });
});
