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
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expireSessions } from "../expire-sessions/expire-sessions.ts";
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
  await expireSessions(operator, recorder, ({ tenantId }) => failures.push(tenantId));
  expect(failures).toEqual([broken.tenantId]);
  expect(await store.superuser.query("SELECT close_reason FROM session WHERE id = $1", [sound.sessionId])).toEqual([
    { close_reason: "SessionExpired" },
  ]);
});

test("operators that do the same at once, because one did not know that it had lost its lock, do nothing twice", async () => {
  const tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  const openedAt = (Date.now() - 13 * 3_600_000) * 1000;
  const sessions: TestSession[] = [];
  for (let n = 0; n < 12; n++) sessions.push(await insertSession(store.superuser, keys, tenantId, { openedAt }));
  await identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, sessions.map(openingOf)));
  const closers = [1, 2, 3].map(() => new LedgerWriter({ program: "operator", programKey: keys.operator }));
  await Promise.all(closers.map((own) => expireSessions(operator, own, () => {})));
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
