import { deriveRefreshKey } from "@heauth/core/sessions";
import { isAuthentic, mintRefreshToken, parseRefreshToken } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
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
import { type RefreshOutcome, type RefreshRequest, refreshSession } from "./refresh.ts";
import { revokeSessions } from "./revoke.ts";

const serverSecret = Buffer.alloc(32);
let store: TestDatabase;
let identity: Database;
let keys: TestKeys;
let recorder: LedgerWriter;
let tenant: string;
let user: string;
let session: string;
let token: (number: number) => string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  keys = testKeys();
  recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
  tenant = await insertTenant(store.superuser, "acme");
  user = await makeUser(identity, tenant, "jo", { roles: ["nurse", "doctor"], subject: "jo-at-acme" });
});
afterAll(() => store.drop());
beforeEach(async () => {
  const login = newSession(keys, tenant, user);
  session = await logIn(identity, recorder, login);
  const key = deriveRefreshKey({ sessionKey: login.sessionKey, serverSecret, tenant, session });
  token = (number) => mintRefreshToken(key, { tenant, session }, number);
});

/** As identity refreshes: with a token, and core's word on whether it is authentic. */
function refresh(text: string, request: Partial<RefreshRequest> = {}): Promise<RefreshOutcome> {
  const parsed = parseRefreshToken(text);
  if (!parsed) throw new Error("not a refresh token");
  return identity.tenantTransaction(tenant, (tx) =>
    refreshSession(tx, recorder, {
      tenantId: tenant,
      sessionId: parsed.session,
      number: parsed.number,
      isAuthentic: ({ key }) =>
        isAuthentic(parsed, deriveRefreshKey({ sessionKey: key, serverSecret, tenant, session: parsed.session })),
      rotationGraceMs: 10_000,
      idleTimeoutMs: 1_800_000,
      by: { peer: "198.51.100.9" },
      ...request,
    }),
  );
}

async function rowOf(id = session) {
  const [row] = await store.superuser.query<{ refresh_number: number; close_reason: string | null }>(
    "SELECT refresh_number, close_reason FROM session WHERE id = $1",
    [id],
  );
  return row;
}
const change = (sql: string) => store.superuser.query(`UPDATE session SET ${sql} WHERE id = $1`, [session]);

describe("refreshing a session", () => {
  test("the current token rotates, with all that a new access token needs", async () => {
    expect(await refresh(token(0))).toMatchObject({
      outcome: "Rotated",
      number: 1,
      audiences: ["shop"],
      key: { serverSecretId: "secret-1" },
      session: {
        id: session,
        status: "Open",
        kind: "User",
        userId: user,
        subject: "jo-at-acme",
        roles: ["doctor", "nurse"],
      },
    });
    expect(await refresh(token(1))).toMatchObject({ outcome: "Rotated", number: 2 });
    expect(await rowOf()).toEqual({ refresh_number: 2, close_reason: null });
  });

  test("the one before gets the same answer again within the grace", async () => {
    await refresh(token(0));
    expect(await refresh(token(0))).toMatchObject({ outcome: "Repeated", number: 1 });
    expect(await refresh(token(0))).toMatchObject({ outcome: "Repeated", number: 1 });
    expect(await rowOf()).toEqual({ refresh_number: 1, close_reason: null });
  });

  test.each<[string, number, string, Partial<RefreshRequest>?]>([
    ["the one before, after the grace", 1, "refresh_number = 2, refresh_rotated_at = now() - interval '11 s'"],
    ["the one before, without any grace", 1, "refresh_number = 2", { rotationGraceMs: 0 }],
    ["an older one, also within the grace", 0, "refresh_number = 2"],
    ["an older one that has expired by now", 0, "refresh_number = 2, refresh_expires_at = now()"],
  ])("%s is reuse: the session ends, and an alert is raised", async (_, number, row, request = {}) => {
    await change(row);
    expect(await refresh(token(number), request)).toEqual({ outcome: "Reused" });
    expect(await rowOf()).toMatchObject({ close_reason: "RefreshReuse" });
    expect(await store.superuser.query("SELECT reason, count FROM alert WHERE session_id = $1", [session])).toEqual([
      { reason: "RefreshReuse", count: 1 },
    ]);
    expect(
      await store.superuser.query(
        "SELECT reason, peer FROM audit_record WHERE session_id = $1 AND type = 'session.close'",
        [session],
      ),
    ).toEqual([{ reason: "RefreshReuse", peer: "198.51.100.9" }]);
    expect(await refresh(token(2))).toEqual({ outcome: "Refused", reason: "Closed" });
  });

  test("a token that is not authentic changes nothing, whatever its number", async () => {
    await change("refresh_number = 5");
    const forged = mintRefreshToken(Buffer.alloc(32, 7), { tenant, session }, 0);
    for (const number of [0, 4, 5, 6]) {
      const text = forged.replace(`${session}.0.`, `${session}.${number}.`);
      expect(await refresh(text)).toEqual({ outcome: "Refused", reason: "NotAuthentic" });
    }
    expect(await rowOf()).toEqual({ refresh_number: 5, close_reason: null });
  });

  test("a forged token does not even wait for the session's row", async () => {
    const forged = mintRefreshToken(Buffer.alloc(32, 7), { tenant, session }, 0);
    await identity.tenantTransaction(tenant, async (tx) => {
      await tx.query("SELECT FROM session WHERE tenant_id = $1 AND id = $2 FOR UPDATE", [tenant, session]);
      expect(await refresh(forged)).toEqual({ outcome: "Refused", reason: "NotAuthentic" });
    });
  });

  test("an authentic token from the future (a database that was set back) is refused, and ends nothing", async () => {
    expect(await refresh(token(3))).toEqual({ outcome: "Refused", reason: "NotAuthentic" });
    expect(await rowOf()).toEqual({ refresh_number: 0, close_reason: null });
  });

  test.each([
    ["SessionExpired", "expires_at = now()"],
    ["SessionIdle", "last_seen_at = now() - interval '32 minutes'"],
    ["TokenExpired", "refresh_expires_at = now()"],
  ])("%s, when nothing has closed the row yet", async (reason, row) => {
    await change(row);
    expect(await refresh(token(0))).toEqual({ outcome: "Refused", reason });
    expect(await rowOf()).toEqual({ refresh_number: 0, close_reason: null });
  });

  test("unknown and closed sessions look alike", async () => {
    expect(await refresh(token(0).replace(session, uuidv7()))).toEqual({ outcome: "Refused", reason: "Closed" });
    await identity.tenantTransaction(tenant, (tx) =>
      revokeSessions(tx, recorder, { tenantId: tenant, sessionIds: [session], reason: "Logout" }),
    );
    expect(await refresh(token(0))).toEqual({ outcome: "Refused", reason: "Closed" });
  });

  test("20 at once with the current token: one rotates, the others get its answer", async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => refresh(token(0))));
    expect(outcomes.filter(({ outcome }) => outcome === "Rotated")).toHaveLength(1);
    expect(outcomes.every((outcome) => "number" in outcome && outcome.number === 1)).toBe(true);
    expect(await rowOf()).toEqual({ refresh_number: 1, close_reason: null });
  });

  test("a refresh that waits for a revocation finds the session closed", async () => {
    const waiting = Promise.withResolvers<RefreshOutcome>();
    await identity.tenantTransaction(tenant, async (tx) => {
      await revokeSessions(tx, recorder, { tenantId: tenant, sessionIds: [session], reason: "Logout" });
      refresh(token(0)).then(waiting.resolve, waiting.reject);
      await store.someoneWaits();
    });
    expect(await waiting.promise).toEqual({ outcome: "Refused", reason: "Closed" });
  });

  test("refreshing at once with old and current tokens ends the session, and lets nobody on", async () => {
    await change("refresh_number = 3");
    const outcomes = await Promise.all([refresh(token(3)), refresh(token(1)), refresh(token(3)), refresh(token(0))]);
    expect(outcomes).toContainEqual({ outcome: "Reused" });
    expect(await rowOf()).toMatchObject({ close_reason: "RefreshReuse" });
    expect(await refresh(token(4))).toEqual({ outcome: "Refused", reason: "Closed" });
  });
});
