import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import { deleteUser } from "../delete-user.ts";
import { LedgerWriter } from "../ledger/index.ts";
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
import { sessionKey } from "./key.ts";
import { openSessionsOf } from "./list.ts";

let store: TestDatabase;
let identity: Database;
let keys: TestKeys;
let recorder: LedgerWriter;
let tenant: string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  keys = testKeys();
  recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
  tenant = await insertTenant(store.superuser, "acme");
});
afterAll(() => store.drop());

const openIds = async (user: string) =>
  (await identity.tenantTransaction(tenant, (tx) => openSessionsOf(tx, tenant, user))).map(({ id }) => id);

describe("opening a session", () => {
  test("keeps it, its key, its block and its record", async () => {
    const user = await makeUser(identity, tenant, "jo");
    const session = newSession(keys, tenant, user, {
      login: "jo",
      email: "jo@acme.test",
      deviceId: "phone",
      peer: "192.0.2.7",
      userAgent: "curl",
    });
    await logIn(identity, recorder, session);
    const listed = await identity.tenantTransaction(tenant, (tx) => openSessionsOf(tx, tenant, user));
    expect(listed).toEqual([
      {
        id: session.id,
        deviceId: "phone",
        peer: "192.0.2.7",
        userAgent: "curl",
        openedAt: session.openedAt,
        lastSeenAt: session.openedAt,
        expiresAt: session.expiresAt,
      },
    ]);
    expect(await identity.tenantTransaction(tenant, (tx) => sessionKey(tx, tenant, session.id))).toEqual({
      key: session.sessionKey,
      serverSecretId: "secret-1",
    });
    expect(
      await store.superuser.query("SELECT type, at, private FROM audit_record WHERE session_id = $1", [session.id]),
    ).toEqual([
      {
        type: "session.open",
        at: session.openedAt,
        private: { user, login: "jo", email: "jo@acme.test", peer: "192.0.2.7", userAgent: "curl" },
      },
    ]);
    expect(
      await store.superuser.query("SELECT actions FROM audit_active_block WHERE session_id = $1", [session.id]),
    ).toEqual([{ actions: 0 }]);
  });

  test("evicts the oldest ones where the user has too many", async () => {
    const user = await makeUser(identity, tenant, "evicted");
    const limits = { maxPerUser: 2, whenFull: "EvictOldest" } as const;
    const ids: string[] = [];
    for (let login = 0; login < 4; login++) {
      ids.push(await logIn(identity, recorder, newSession(keys, tenant, user), limits));
    }
    expect(await openIds(user)).toEqual(ids.slice(2));
  });

  test("refuses one too many where the tenant says so, and leaves no trace of it", async () => {
    const user = await makeUser(identity, tenant, "refused");
    const limits = { maxPerUser: 1, whenFull: "Refuse" } as const;
    const id = await logIn(identity, recorder, newSession(keys, tenant, user), limits);
    const second = newSession(keys, tenant, user);
    await expect(logIn(identity, recorder, second, limits)).rejects.toMatchObject({ code: "SessionsFull" });
    expect(await openIds(user)).toEqual([id]);
    expect(await store.superuser.query("SELECT FROM audit_record WHERE session_id = $1", [second.id])).toEqual([]);
  });

  test.each(["EvictOldest", "Refuse"] as const)("20 logins at once never pass the limit (%s)", async (whenFull) => {
    const user = await makeUser(identity, tenant, `crowd-${whenFull}`.toLowerCase());
    const logins = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        logIn(identity, recorder, newSession(keys, tenant, user), { maxPerUser: 3, whenFull }),
      ),
    );
    expect(await openIds(user)).toHaveLength(3);
    const refused = logins.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(whenFull === "Refuse" ? 17 : 0);
  });

  test("sessions whose time is over do not count, and are closed for what they are", async () => {
    const user = await makeUser(identity, tenant, "late");
    const [idle, expired] = [
      await logIn(identity, recorder, newSession(keys, tenant, user)),
      await logIn(identity, recorder, newSession(keys, tenant, user)),
    ];
    await store.superuser.query("UPDATE session SET last_seen_at = now() - interval '2 hours' WHERE id = $1", [idle]);
    await store.superuser.query("UPDATE session SET expires_at = now() WHERE id = $1", [expired]);
    const id = await logIn(identity, recorder, newSession(keys, tenant, user), { maxPerUser: 1, whenFull: "Refuse" });
    expect(await openIds(user)).toEqual([id]);
    const closed = await store.superuser.query(
      "SELECT id, close_reason FROM session WHERE user_id = $1 AND closed_at IS NOT NULL ORDER BY close_reason",
      [user],
    );
    expect(closed).toEqual([
      { id: expired, close_reason: "SessionExpired" },
      { id: idle, close_reason: "SessionIdle" },
    ]);
  });

  test("nobody can log in while his user is being deleted, nor after", async () => {
    const user = await makeUser(identity, tenant, "leaver");
    await logIn(identity, recorder, newSession(keys, tenant, user));
    const login = Promise.withResolvers<unknown>();
    await identity.tenantTransaction(tenant, async (tx) => {
      await deleteUser(tx, recorder, tenant, user);
      logIn(identity, recorder, newSession(keys, tenant, user)).then(login.reject, login.resolve);
      await store.someoneWaits();
    });
    expect(await login.promise).toMatchObject({ code: "NotFound" });
    expect(await openIds(user)).toEqual([]);
  });

  test("a tenant has sessions of its own", async () => {
    const id = await logIn(identity, recorder, newSession(keys, tenant, tenant, { kind: "Tenant" }));
    expect(await openIds(tenant)).toEqual([id]);
    const stranger = newSession(keys, tenant, uuidv7(), { kind: "Tenant" });
    await expect(logIn(identity, recorder, stranger)).rejects.toMatchObject({ code: "NotFound" });
  });
});
