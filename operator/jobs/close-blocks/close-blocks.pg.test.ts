import { uuidv7 } from "@heauth/program";
import { type Database, LedgerWriter, revokeSessions, type SessionName } from "@heauth/store";
import {
  insertSession,
  insertTenant,
  openingOf,
  type TestDatabase,
  type TestSession,
  testDatabase,
  testKeys,
} from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { expireSessions } from "../expire-sessions/expire-sessions.ts";
import { FailingTenants } from "../failing-tenants.ts";
import { closeBlocks } from "./close-blocks.ts";

const keys = testKeys();
let store: TestDatabase;
let operator: Database;
let identity: Database;
const recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });

beforeAll(async () => {
  store = await testDatabase();
  [operator, identity] = await Promise.all([store.database("heauth_operator"), store.database("heauth_identity")]);
});
afterAll(() => store.drop());
/** What a test leaves behind would be in the others' batches. */
afterEach(() => store.superuser.query("DELETE FROM active_block"));

/** A tenant with a session. `hoursAgo` it was opened; twelve are its time. */
async function tenantWithSession(hoursAgo = 0): Promise<SessionName> {
  const tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  const openedAt = (Date.now() - hoursAgo * 3_600_000) * 1000;
  const session = await insertSession(store.superuser, keys, tenantId, { openedAt });
  await identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, [openingOf(session)]));
  return { tenantId, sessionId: session.id };
}

test("a block that can't be closed holds up no other tenant's", async () => {
  const [broken, sound] = [await tenantWithSession(), await tenantWithSession()];
  for (const { tenantId, sessionId } of [broken, sound]) {
    const logout = { tenantId, sessionIds: [sessionId], reason: "Logout" } as const;
    await operator.tenantTransaction(tenantId, (tx) => revokeSessions(tx, recorder, logout));
  }
  await store.superuser.query("UPDATE segment_session SET leaves = '', positions = '{}' WHERE session_id = $1", [
    broken.sessionId,
  ]);
  const failures: string[] = [];
  const onFailure = ({ sessionId }: SessionName) => failures.push(sessionId);
  expect(await closeBlocks({ database: operator, recorder, onFailure })).toBe(false);
  expect(failures).toEqual([broken.sessionId]);
  expect(await store.superuser.query("SELECT session_id FROM closed_block")).toEqual([{ session_id: sound.sessionId }]);
});

test("sessions that can't be closed hold up no other tenant's", async () => {
  const [broken, sound] = [await tenantWithSession(13), await tenantWithSession(13)];
  await store.superuser.query("DELETE FROM outbox_head WHERE tenant_id = $1", [broken.tenantId]);
  await store.superuser.query("DELETE FROM active_block WHERE session_id = $1", [broken.sessionId]);
  const failures: string[] = [];
  await expireSessions(operator, recorder, new FailingTenants(), ({ tenantId }) => failures.push(tenantId));
  expect(failures).toEqual([broken.tenantId]);
  expect(await store.superuser.query("SELECT close_reason FROM session WHERE id = $1", [sound.sessionId])).toEqual([
    { close_reason: "SessionExpired" },
  ]);
});

/** Sessions whose time has been over for an hour, opened in the ledger. */
async function sessionsOf(tenantId: string, count: number): Promise<string[]> {
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  const openedAt = (Date.now() - 13 * 3_600_000) * 1000;
  const sessions: TestSession[] = [];
  for (let n = 0; n < count; n++) sessions.push(await insertSession(store.superuser, keys, tenantId, { openedAt }));
  await identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, sessions.map(openingOf)));
  return sessions.map(({ id }) => id);
}

test("a tenant whose sessions fill the batch and can't be closed is left out for a while, so that others' are", async () => {
  const tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  await sessionsOf(tenantId, 256);
  await store.superuser.query("DELETE FROM outbox_head WHERE tenant_id = $1", [tenantId]);
  const sound = await tenantWithSession(13);
  let nowMs = 0;
  const failing = new FailingTenants(() => nowMs);
  const failures: string[] = [];
  const round = () => expireSessions(operator, recorder, failing, (of) => failures.push(of.tenantId));
  const closed = () =>
    store.superuser.query("SELECT FROM session WHERE id = $1 AND closed_at > 'epoch'", [sound.sessionId]);
  expect([await round(), await closed()]).toEqual([true, []]);
  await round();
  expect(await closed()).toHaveLength(1);
  // Not given up: tried again when its time has come, each time later.
  const triesUntil = async (ms: number) => {
    failures.length = 0;
    for (; nowMs < ms; nowMs += 1_000) await round();
    return failures.filter((id) => id === tenantId).length;
  };
  expect([await triesUntil(5_000), await triesUntil(6_000), await triesUntil(15_000)]).toEqual([0, 1, 0]);
  await store.superuser.query("INSERT INTO outbox_head (tenant_id, seq) VALUES ($1, 0)", [tenantId]);
  nowMs = 100_000;
  while (await round());
  expect(
    await store.superuser.query("SELECT FROM session WHERE tenant_id = $1 AND closed_at IS NULL", [tenantId]),
  ).toEqual([]);
});

test("a tenant whose blocks fill the batch and can't be closed is left out for a while, so that others' are", async () => {
  const tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  const sessionIds = await sessionsOf(tenantId, 128);
  const sound = await tenantWithSession();
  for (const revocation of [
    { tenantId, sessionIds },
    { tenantId: sound.tenantId, sessionIds: [sound.sessionId] },
  ]) {
    const logout = { ...revocation, reason: "Logout" } as const;
    await operator.tenantTransaction(logout.tenantId, (tx) => revokeSessions(tx, recorder, logout));
  }
  await store.superuser.query("UPDATE segment_session SET leaves = '', positions = '{}' WHERE tenant_id = $1", [
    tenantId,
  ]);
  const options = {
    database: operator,
    recorder,
    failing: { closing: new FailingTenants(), amending: new FailingTenants() },
    onFailure: () => {},
  };
  const closed = () => store.superuser.query("SELECT FROM closed_block WHERE session_id = $1", [sound.sessionId]);
  expect([await closeBlocks(options), await closed()]).toEqual([true, []]);
  await closeBlocks(options);
  expect(await closed()).toHaveLength(1);
});

test("operators that do the same at once, because one did not know that it had lost its lock, do nothing twice", async () => {
  const tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  await sessionsOf(tenantId, 12);
  const closers = [1, 2, 3].map(() => new LedgerWriter({ program: "operator", programKey: keys.operator }));
  await Promise.all(closers.map((own) => expireSessions(operator, own, new FailingTenants(), () => {})));
  const rows = (sql: string) => store.superuser.query<{ number: number }>(sql, [tenantId]);
  const closings = "SELECT FROM audit_record WHERE tenant_id = $1 AND type = 'session.close'";
  expect(await rows(closings)).toHaveLength(12);
  // Two who want the same number: one of them is refused, and tries again.
  const round = () =>
    Promise.all(closers.map((own) => closeBlocks({ database: operator, recorder: own, onFailure: () => {} })));
  while ((await rows("SELECT FROM active_block WHERE tenant_id = $1")).length > 0) await round();
  const blocks = await rows("SELECT number FROM closed_block WHERE tenant_id = $1 ORDER BY number");
  expect(blocks.map(({ number }) => number)).toEqual(Array.from({ length: 12 }, (_, number) => number));
  expect(await rows("SELECT FROM seal_queue WHERE tenant_id = $1 AND kind = 'block'")).toHaveLength(12);
});
