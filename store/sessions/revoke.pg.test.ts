import { type CloseReason, closeReasons } from "@heauth/core/sessions";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import { deleteUser } from "../delete-user.ts";
import { LedgerWriter } from "../ledger/index.ts";
import { readOutboxSince } from "../outbox.ts";
import {
  insertTenant,
  logIn,
  makeUser,
  newSession,
  type TestDatabase,
  type TestKeys,
  testDatabase,
  testKeys,
} from "../testing/index.ts";
import { timedOutSessions } from "./expire.ts";
import { refreshSession } from "./refresh.ts";
import { revokeSessions } from "./revoke.ts";

let store: TestDatabase;
let identity: Database;
let operator: Database;
let keys: TestKeys;
let recorder: LedgerWriter;
let operatorsRecorder: LedgerWriter;
let tenant: string;
let user: string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  operator = await store.database("heauth_operator");
  keys = testKeys();
  recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
  operatorsRecorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
  tenant = await insertTenant(store.superuser, "acme");
  user = await makeUser(identity, tenant, "jo");
});
afterAll(() => store.drop());

const opened = (of = user, session = {}) => logIn(identity, recorder, newSession(keys, tenant, of, session));
const revoke = (id: string, reason: CloseReason) =>
  identity.tenantTransaction(tenant, (tx) =>
    revokeSessions(tx, recorder, { tenantId: tenant, sessionIds: [id], reason }),
  );

/** Everything that the end of a session must leave behind. */
async function endOf(id: string) {
  const [row] = await store.superuser.query<{ close_reason: string | null; close_seq: number; generation: number }>(
    "SELECT close_reason, close_seq, generation FROM session WHERE id = $1",
    [id],
  );
  const events = await store.superuser.query(
    "SELECT kind, seq, generation FROM outbox WHERE tenant_id = $1 AND session_id = $2",
    [tenant, id],
  );
  const records = await store.superuser.query(
    `SELECT record ->> 'reason' AS reason FROM audit_record
      WHERE tenant_id = $1 AND session_id = $2 AND type = 'session.close'`,
    [tenant, id],
  );
  const [secrets] = await store.superuser.query<{ count: number }>(
    "SELECT count(*) FROM session_key WHERE session_id = $1",
    [id],
  );
  return { row, events, records, keys: secrets?.count };
}

// Every way to end a session. A new reason must come with its caller here.
const callers: Record<CloseReason, () => Promise<string>> = {
  Logout: async () => {
    const id = await opened();
    await revoke(id, "Logout");
    return id;
  },
  Revoked: async () => {
    const id = await opened();
    await revoke(id, "Revoked");
    return id;
  },
  UserDeleted: async () => {
    const leaver = await makeUser(identity, tenant, "leaver");
    const id = await opened(leaver);
    expect(await identity.tenantTransaction(tenant, (tx) => deleteUser(tx, recorder, tenant, leaver))).toEqual([id]);
    return id;
  },
  TenantDeleted: async () => {
    const id = await opened();
    await revoke(id, "TenantDeleted");
    return id;
  },
  Evicted: async () => {
    const busy = await makeUser(identity, tenant, "busy");
    const id = await opened(busy);
    await logIn(identity, recorder, newSession(keys, tenant, busy), { maxPerUser: 1, whenFull: "EvictOldest" });
    return id;
  },
  RefreshReuse: async () => {
    const id = await opened();
    await store.superuser.query("UPDATE session SET refresh_number = 5 WHERE id = $1", [id]);
    const outcome = await identity.tenantTransaction(tenant, (tx) =>
      refreshSession(tx, recorder, {
        tenantId: tenant,
        sessionId: id,
        number: 2,
        isAuthentic: () => true,
        rotationGraceMs: 10_000,
        idleTimeoutMs: 60_000,
      }),
    );
    expect(outcome).toEqual({ outcome: "Reused" });
    return id;
  },
  SessionIdle: () => expired("SessionIdle", "last_seen_at = now() - interval '2 hours'"),
  SessionExpired: () => expired("SessionExpired", "expires_at = now()"),
};

/** As the operator's job closes it. */
async function expired(reason: CloseReason, how: string): Promise<string> {
  const id = await opened();
  await store.superuser.query(`UPDATE session SET ${how} WHERE id = $1`, [id]);
  await operator.transaction(async (tx) => {
    expect(await timedOutSessions(tx, 10)).toEqual([{ tenantId: tenant, sessionId: id, reason }]);
    await revokeSessions(tx, operatorsRecorder, { tenantId: tenant, sessionIds: [id], reason });
  });
  return id;
}

describe("the one way to close a session", () => {
  test.each(closeReasons)("%s: closes the row, deletes the key, writes the record, tells everybody", async (reason) => {
    const id = await callers[reason]();
    const { row, events, records, keys: left } = await endOf(id);
    expect(row).toEqual({ close_reason: reason, close_seq: expect.any(Number), generation: 2 });
    expect(events).toEqual([{ kind: "session.closed", seq: row?.close_seq, generation: 2 }]);
    expect(records).toEqual([{ reason }]);
    expect(left).toBe(0);
  });

  test("closes a session once, whoever else tries", async () => {
    const id = await opened();
    const closed = await Promise.all(Array.from({ length: 8 }, () => revoke(id, "Revoked")));
    expect(closed.flat()).toEqual([id]);
    expect((await endOf(id)).events).toHaveLength(1);
  });

  test("many who close overlapping sets at once do not lock each other out", async () => {
    const crowd = await makeUser(identity, tenant, "crowd");
    const ids = await Promise.all(Array.from({ length: 8 }, () => opened(crowd)));
    const closed = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        identity.tenantTransaction(tenant, (tx) =>
          revokeSessions(tx, recorder, {
            tenantId: tenant,
            sessionIds: [...ids.slice(index), ...ids.slice(0, index)].toReversed(),
            reason: "Revoked",
          }),
        ),
      ),
    );
    expect(closed.flat().toSorted()).toEqual(ids.toSorted());
  });

  test("leaves nothing behind when its transaction fails", async () => {
    const id = await opened();
    await expect(
      identity.tenantTransaction(tenant, async (tx) => {
        await revokeSessions(tx, recorder, { tenantId: tenant, sessionIds: [id], reason: "Revoked" });
        throw new Error("aborted");
      }),
    ).rejects.toThrow("aborted");
    expect(await endOf(id)).toEqual({
      row: { close_reason: null, close_seq: null, generation: 1 },
      events: [],
      records: [],
      keys: 1,
    });
  });

  test("does not reach another tenant's session", async () => {
    const other = await insertTenant(store.superuser, "other");
    const id = await opened();
    const closed = await identity.tenantTransaction(other, (tx) =>
      revokeSessions(tx, recorder, { tenantId: other, sessionIds: [id], reason: "Revoked" }),
    );
    expect(closed).toEqual([]);
    expect((await endOf(id)).keys).toBe(1);
  });

  test("numbers its events in the order of the sessions that it closes", async () => {
    const ids = [await opened(), await opened(), await opened()];
    const [head] = await store.superuser.query<{ seq: number }>("SELECT seq FROM outbox_head WHERE tenant_id = $1", [
      tenant,
    ]);
    await identity.tenantTransaction(tenant, (tx) =>
      revokeSessions(tx, recorder, { tenantId: tenant, sessionIds: ids, reason: "Revoked" }),
    );
    const events = await identity.tenantTransaction(tenant, (tx) =>
      readOutboxSince(tx, [{ tenantId: tenant, seq: head?.seq ?? 0 }]),
    );
    expect(events.map(({ sessionId }) => sessionId)).toEqual(ids.toSorted());
  });
});
