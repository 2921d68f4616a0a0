import { defaultTenantSettings } from "@heauth/core/resources";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createIdentity } from "../identity.ts";
import { PASSWORD, type TestIdentity, type TestTenant, testIdentity } from "../testing/test-identity.ts";

const { sessions } = defaultTenantSettings("x", ["x"]);
const LOGIN = "admin@example.org";
let home: TestIdentity;
beforeAll(async () => {
  home = await testIdentity();
});
afterAll(() => home?.stop());

async function tenant(name: string, changes: Partial<typeof sessions>): Promise<TestTenant> {
  const made = await home.tenant(name, { sessions: { ...sessions, ...changes } });
  await home.admin(made);
  return made;
}
const isGood = async (token: string) => (await home.ask({ method: "GET", url: "/user", token })).statusCode === 200;
const refreshes = async (refreshToken: string) =>
  (await home.ask({ url: "/auth/refresh", json: { refreshToken } })).statusCode === 200;
const sidOf = (token: string): string => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid;
const age = (token: string, column: string, interval: string) =>
  home.db.superuser.query(`UPDATE session SET ${column} = now() - $2::interval WHERE id = $1`, [
    sidOf(token),
    interval,
  ]);

describe("as many sessions as a user may have", () => {
  test("EvictOldest: the oldest one ends", async () => {
    const acme = await tenant("evict", { maxPerUser: 2 });
    const [first, second, third] = [
      await home.logIn(acme, LOGIN),
      await home.logIn(acme, LOGIN),
      await home.logIn(acme, LOGIN),
    ];
    expect(await Promise.all([first, second, third].map(({ accessToken }) => isGood(accessToken)))).toEqual([
      false,
      true,
      true,
    ]);
    const closes = (await home.records(acme)).filter(({ record }) => record.type === "session.close");
    expect(closes.map(({ record }) => [record.session, record.reason])).toEqual([
      [sidOf(first.accessToken), "Evicted"],
    ]);
  });

  test("Refuse: the login is refused, until a session ends", async () => {
    const acme = await tenant("refuse", { maxPerUser: 1, whenFull: "Refuse" });
    const { accessToken } = await home.logIn(acme, LOGIN);
    const answer = await home.ask({ url: "/auth", json: { tenant: "refuse", login: LOGIN, password: PASSWORD } });
    expect([answer.statusCode, answer.json().code]).toEqual([409, "SessionsFull"]);
    await home.ask({ url: "/auth/logout", json: { token: accessToken } });
    await home.logIn(acme, LOGIN);
  });

  test("30 logins at once cannot pass the limit", async () => {
    const acme = await tenant("rush", { maxPerUser: 3 });
    await Promise.all(Array.from({ length: 30 }, () => home.logIn(acme, LOGIN)));
    const open = await home.db.superuser.query("SELECT FROM session WHERE tenant_id = $1 AND closed_at IS NULL", [
      acme.id,
    ]);
    expect(open).toHaveLength(3);
  });
});

describe("timeouts, though no job closes anything", () => {
  test("idle: neither token counts; a late one is no alarm", async () => {
    const acme = await tenant("idle", { idleTimeoutMs: 60_000 });
    const { accessToken, refreshToken } = await home.logIn(acme, LOGIN);
    await age(accessToken, "last_seen_at", "55 s");
    expect(await isGood(accessToken)).toBe(true);
    await age(accessToken, "last_seen_at", "70 s");
    expect(await isGood(accessToken)).toBe(false);
    expect((await home.ask({ url: "/auth/verify", json: { token: accessToken } })).statusCode).toBe(400);
    expect(await refreshes(refreshToken)).toBe(false);
    expect(await home.db.superuser.query("SELECT FROM alert WHERE tenant_id = $1", [acme.id])).toEqual([]);
  });

  test("using identity keeps a session from idling", async () => {
    const acme = await tenant("busy", { idleTimeoutMs: 60_000 });
    const { accessToken } = await home.logIn(acme, LOGIN);
    await age(accessToken, "last_seen_at", "55 s");
    await isGood(accessToken);
    const [row] = await home.db.superuser.query(
      "SELECT last_seen_at > now() - interval '5 s' AS fresh FROM session WHERE id = $1",
      [sidOf(accessToken)],
    );
    expect(row).toEqual({ fresh: true });
  });

  test("absolute: whatever the use", async () => {
    const acme = await tenant("absolute", {});
    const { accessToken, refreshToken } = await home.logIn(acme, LOGIN);
    await age(accessToken, "expires_at", "1 s");
    expect(await isGood(accessToken)).toBe(false);
    expect(await refreshes(refreshToken)).toBe(false);
  });

  test("no token outlives its session", async () => {
    const acme = await tenant("short", { absoluteTimeoutMs: 90_000, idleTimeoutMs: 60_000 });
    const { expiresIn, accessToken } = await home.logIn(acme, LOGIN);
    expect(expiresIn).toBeLessThanOrEqual(90);
    expect(expiresIn).toBeGreaterThan(85);
    expect(await isGood(accessToken)).toBe(true);
  });
});

test("a token that has expired is refused, one that a skewed clock made a moment ahead is not", async () => {
  const acme = await tenant("clocks", {});
  const { accessToken } = await home.logIn(acme, LOGIN);
  const ahead = await testIdentityAt(601_000 + 30_000);
  const behind = await testIdentityAt(-20_000);
  expect(await ahead(accessToken)).toBe(400);
  expect(await behind(accessToken)).toBe(200);

  /** How identity with another clock, on the same parts, judges a token. */
  async function testIdentityAt(shiftMs: number): Promise<(token: string) => Promise<number>> {
    const { clock } = home.parts;
    const { app } = await createIdentity({
      ...home.parts,
      clock: { ...clock, wallMs: () => clock.wallMs() + shiftMs },
    });
    return async (token) => {
      const { statusCode } = await app.inject({ method: "POST", url: "/auth/verify", payload: { token } });
      return statusCode;
    };
  }
});
