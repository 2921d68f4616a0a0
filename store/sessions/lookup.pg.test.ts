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
import { setRoles } from "../user-roles.ts";
import { timedOutSessions } from "./expire.ts";
import { lookUpSessions } from "./lookup.ts";
import { revokeSessions } from "./revoke.ts";
import { touchSession } from "./touch.ts";

let store: TestDatabase;
let identity: Database;
let hub: Database;
let operator: Database;
let keys: TestKeys;
let recorder: LedgerWriter;
let tenant: string;
let user: string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  hub = await store.database("heauth_hub");
  operator = await store.database("heauth_operator");
  keys = testKeys();
  recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
  tenant = await insertTenant(store.superuser, "acme");
  user = await makeUser(identity, tenant, "jo", { roles: ["nurse"], subject: "jo-at-acme" });
});
afterAll(() => store.drop());

const lookUp = (...ids: string[]) => hub.read((tx) => lookUpSessions(tx, tenant, ids));
const age = (id: string, interval: string) =>
  store.superuser.query(`UPDATE session SET last_seen_at = now() - interval '${interval}' WHERE id = $1`, [id]);

describe("looking up sessions", () => {
  test("gives what deciders need, in the order asked, to the hub's own role", async () => {
    const login = newSession(keys, tenant, user);
    const own = newSession(keys, tenant, tenant, { kind: "Tenant" });
    await logIn(identity, recorder, login);
    await logIn(identity, recorder, own);
    const unknown = uuidv7();
    const state = {
      status: "Open",
      generation: 1,
      openedAt: login.openedAt,
      lastSeenAt: login.openedAt,
      expiresAt: login.expiresAt,
      idle: 0,
    };
    expect(await lookUp(unknown, own.id, login.id)).toEqual([
      { id: unknown, status: "Unknown" },
      expect.objectContaining({ id: own.id, kind: "Tenant", userId: tenant, subject: tenant, roles: [] }),
      {
        ...state,
        id: login.id,
        kind: "User",
        userId: user,
        subject: "jo-at-acme",
        roles: ["nurse"],
        statement: login.statement,
        statementSignature: login.statementSignature,
      },
    ]);
  });

  test("says why a session is closed, also when its user is gone", async () => {
    const leaver = await makeUser(identity, tenant, "leaver", { roles: ["doctor"] });
    const id = await logIn(identity, recorder, newSession(keys, tenant, leaver));
    await identity.tenantTransaction(tenant, (tx) => deleteUser(tx, recorder, tenant, leaver));
    expect(await lookUp(id)).toEqual([
      expect.objectContaining({
        id,
        status: "Closed",
        closeReason: "UserDeleted",
        generation: 2,
        roles: [],
        subject: leaver,
      }),
    ]);
  });

  test("roles are those of now, with a new generation and an event", async () => {
    const id = await logIn(identity, recorder, newSession(keys, tenant, user));
    await identity.tenantTransaction(tenant, (tx) => setRoles(tx, tenant, user, ["admin", "doctor"]));
    expect(await lookUp(id)).toEqual([expect.objectContaining({ roles: ["admin", "doctor"], generation: 2 })]);
    expect(await store.superuser.query("SELECT kind, generation FROM outbox WHERE session_id = $1", [id])).toEqual([
      { kind: "session.changed", generation: 2 },
    ]);
    await identity.tenantTransaction(tenant, (tx) => setRoles(tx, tenant, user, []));
    expect(await lookUp(id)).toEqual([expect.objectContaining({ roles: [], generation: 3 })]);
  });

  test("idle is for how long it surely was not used: uses are written up to a minute late", async () => {
    const id = await logIn(identity, recorder, newSession(keys, tenant, user));
    const idleSeconds = async () => {
      const [state] = await lookUp(id);
      return state && "idle" in state ? Math.floor(state.idle / 1e6) : undefined;
    };
    await age(id, "50 s");
    expect(await idleSeconds()).toBe(0);
    await age(id, "600 s");
    expect(await idleSeconds()).toBe(540);
  });

  test("a use that identity sees is written when the last one is older than uses may lag", async () => {
    const id = await logIn(identity, recorder, newSession(keys, tenant, user));
    const touch = () => identity.tenantTransaction(tenant, (tx) => touchSession(tx, tenant, id));
    const lastSeen = async () =>
      (await store.superuser.query<{ at: number }>("SELECT last_seen_at AS at FROM session WHERE id = $1", [id]))[0]
        ?.at;
    const before = await lastSeen();
    await touch();
    expect(await lastSeen()).toBe(before);
    await age(id, "61 s");
    await identity.tenantTransaction(tenant, async (tx) => {
      await tx.query("SELECT FROM session WHERE tenant_id = $1 AND id = $2 FOR UPDATE", [tenant, id]);
      const locked = await lastSeen();
      await touch();
      expect(await lastSeen()).toBe(locked);
    });
    await touch();
    expect(await lastSeen()).toBeGreaterThan(before ?? 0);
  });

  test("does not show another tenant's session", async () => {
    const other = await insertTenant(store.superuser, "other");
    const id = await logIn(identity, recorder, newSession(keys, tenant, user));
    expect(await hub.read((tx) => lookUpSessions(tx, other, [id]))).toEqual([{ id, status: "Unknown" }]);
  });
});

describe("sessions whose time is over", () => {
  test("are found by both timeouts, an idle one not before uses must have been written, each once", async () => {
    await store.superuser.query("UPDATE session SET last_seen_at = now() WHERE closed_at IS NULL");
    const login = () => logIn(identity, recorder, newSession(keys, tenant, user));
    const [idle, nearly, expired, both] = [await login(), await login(), await login(), await login()];
    await age(idle, "31 minutes 1 s");
    await age(nearly, "30 minutes 55 s");
    await age(both, "2 hours");
    await store.superuser.query("UPDATE session SET expires_at = now() WHERE id = ANY ($1)", [[expired, both]]);
    const found = await operator.read((tx) => timedOutSessions(tx, 100));
    expect(found).toEqual(
      [
        { tenantId: tenant, sessionId: idle, reason: "SessionIdle" },
        { tenantId: tenant, sessionId: expired, reason: "SessionExpired" },
        { tenantId: tenant, sessionId: both, reason: "SessionExpired" },
      ].toSorted((a, b) => (a.sessionId < b.sessionId ? -1 : 1)),
    );
    expect(await operator.read((tx) => timedOutSessions(tx, 2))).toHaveLength(2);
    await identity.tenantTransaction(tenant, (tx) =>
      revokeSessions(tx, recorder, { tenantId: tenant, sessionIds: [idle, expired, both], reason: "Revoked" }),
    );
    expect(await operator.read((tx) => timedOutSessions(tx, 100))).toEqual([]);
  });
});
