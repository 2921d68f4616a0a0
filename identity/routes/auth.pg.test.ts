import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type TestIdentity, type TestTenant, type Tokens, testIdentity } from "../testing/test-identity.ts";

let home: TestIdentity;
let acme: TestTenant;

beforeAll(async () => {
  home = await testIdentity();
  acme = await home.tenant("acme");
  await home.admin(acme);
});
afterAll(() => home?.stop());

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
const verify = (token: string) => home.ask({ url: "/auth/verify", json: { token } });
const logIn = (more?: object) => home.logIn(acme, "admin@example.org", more);
const refresh = (refreshToken: string) => home.ask({ url: "/auth/refresh", json: { refreshToken } });
const recordsOf = async (session: string) =>
  (await home.records(acme)).filter(({ record }) => record.session === session);

describe("log in", () => {
  test("answers exactly the tokens, and sets the cookies", async () => {
    const json = { tenant: "acme", login: "admin@example.org", password: "vier Kühe im Regen" };
    const answer = await home.ask({ url: "/auth", json });
    expect(answer.statusCode).toBe(200);
    const body = answer.json<Tokens>();
    expect(body).toEqual({ accessToken: expect.any(String), refreshToken: expect.any(String), expiresIn: 600 });
    expect(answer.headers["set-cookie"]).toEqual([
      `__Host-heauth-access=${body.accessToken}; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax`,
      expect.stringMatching(/^__Host-heauth-refresh=[^;]+; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Lax$/),
    ]);
  });

  test("the token says what it is documented to say", async () => {
    const { accessToken } = await logIn();
    const claims = claimsOf(accessToken);
    expect(claims).toEqual({
      iss: "https://id.test",
      aud: ["shop", "clinic", "heauth"],
      sub: expect.any(String),
      client_id: "heauth",
      tenant: acme.id,
      sid: expect.any(String),
      roles: ["admin"],
      iat: expect.any(Number),
      nbf: claims.iat,
      exp: claims.iat + 600,
      jti: expect.any(String),
      auth_time: claims.iat,
      amr: ["pwd"],
    });
    expect((await verify(accessToken)).json()).toEqual({ decoded: claims });
  });

  test("audiences: those asked for, if the tenant has them", async () => {
    expect(claimsOf((await logIn({ audience: ["clinic"] })).accessToken).aud).toEqual(["clinic"]);
    expect(claimsOf((await logIn({ audience: "shop" })).accessToken).aud).toEqual(["shop"]);
    const json = { tenant: "acme", login: "admin@example.org", password: "vier Kühe im Regen", audience: ["other"] };
    const answer = await home.ask({ url: "/auth", json });
    expect([answer.statusCode, answer.json().code]).toEqual([400, "InvalidRequest"]);
  });

  test("the session, its statement and its record come together", async () => {
    const headers = { "user-agent": "Test/1", "x-request-id": "login-1" };
    const json = { tenant: acme.id, login: "ADMIN@example.org", password: "vier Kühe im Regen", deviceId: "laptop" };
    const { accessToken } = (await home.ask({ url: "/auth", json, headers, from: "192.0.2.9" })).json<Tokens>();
    const { sid, sub } = claimsOf(accessToken);
    const [row] = await home.db.superuser.query(
      "SELECT device_id, peer, user_agent, user_id FROM session WHERE id = $1",
      [sid],
    );
    expect(row).toEqual({ device_id: "laptop", peer: "192.0.2.9", user_agent: "Test/1", user_id: sub });
    const [open] = await recordsOf(sid);
    expect(open?.record).toMatchObject({ type: "session.open", source: "identity", statement: expect.any(String) });
    expect(open?.private).toEqual({
      user: sub,
      login: "admin@example.org",
      email: "admin@example.org",
      peer: "192.0.2.9",
      userAgent: "Test/1",
    });
  });

  test("a statement that somebody swapped in the database is not believed", async () => {
    const [mine, other] = [await logIn(), await logIn()];
    const [sid, from] = [claimsOf(mine.accessToken).sid, claimsOf(other.accessToken).sid];
    await home.db.superuser.query(
      `UPDATE session s SET statement = o.statement, statement_signature = o.statement_signature
         FROM session o WHERE s.id = $1 AND o.id = $2`,
      [sid, from],
    );
    expect((await verify(mine.accessToken)).statusCode).toBe(400);
    const records = await home.records(acme);
    expect(records.at(-1)?.record).toMatchObject({ type: "decision", decision: "Deny", reason: "BadStatement" });
  });

  test.each([
    ["another user", "user_id = gen_random_uuid()"],
    ["the tenant itself", "kind = 'Tenant', user_id = tenant_id"],
    ["a longer life", "expires_at = expires_at + interval '1 day'"],
  ])("a session cannot be given to %s in the database", async (_, change) => {
    const { accessToken, refreshToken } = await logIn();
    await home.db.superuser.query(`UPDATE session SET ${change} WHERE id = $1`, [claimsOf(accessToken).sid]);
    const told = async () => (await home.records(acme)).at(-1)?.record;
    expect((await verify(accessToken)).json().code).toBe("TokenRefused");
    expect(await told()).toMatchObject({ action: "POST /auth/verify", reason: "BadStatement" });
    expect((await refresh(refreshToken)).json().code).toBe("RefreshRefused");
    expect(await told()).toMatchObject({ action: "POST /auth/refresh", reason: "BadStatement" });
  });
});

describe("verify", () => {
  test("a token with one character changed is refused, recorded, and an alert is raised", async () => {
    const { accessToken } = await logIn();
    const at = accessToken.length - 20;
    const forged = accessToken.slice(0, at) + (accessToken[at] === "A" ? "B" : "A") + accessToken.slice(at + 1);
    const answer = await verify(forged);
    expect([answer.statusCode, answer.json().code]).toEqual([400, "TokenRefused"]);
    const { sid } = claimsOf(accessToken);
    expect((await recordsOf(sid)).at(-1)?.record).toMatchObject({ type: "decision", reason: "BadSignature" });
    const alerts = await home.db.superuser.query("SELECT reason FROM alert WHERE session_id = $1", [sid]);
    expect(alerts).toEqual([{ reason: "BadSignature" }]);
    expect((await verify(accessToken)).statusCode).toBe(200);
  });

  test.each(["", "a.b.c", "\0", "ü.ü.ü", "x".repeat(9000)])("%j is refused", async (token) => {
    expect((await verify(token)).statusCode).toBe(400);
  });
});

describe("log out", () => {
  test.each<[string, (token: string) => Parameters<TestIdentity["ask"]>[0]]>([
    ["in the body", (token) => ({ url: "/auth/logout", json: { token } })],
    ["as a bearer", (token) => ({ url: "/auth/logout", token })],
    [
      "in the cookie",
      (token) => ({
        url: "/auth/logout",
        headers: { cookie: `__Host-heauth-access=${token}`, origin: "https://localhost:80", host: "localhost:80" },
      }),
    ],
  ])("the token %s ends the session: no token of it counts any more", async (_, ask) => {
    const { accessToken, refreshToken } = await logIn();
    const answer = await home.ask(ask(accessToken));
    expect([answer.statusCode, answer.json()]).toEqual([200, { result: 1 }]);
    expect(answer.headers["set-cookie"]).toEqual([
      expect.stringMatching(/^__Host-heauth-access=; Path=\/; Max-Age=0;/),
      expect.stringMatching(/^__Host-heauth-refresh=; Path=\/; Max-Age=0;/),
    ]);
    expect((await verify(accessToken)).json().code).toBe("TokenRefused");
    expect((await home.ask({ method: "GET", url: "/user", token: accessToken })).statusCode).toBe(401);
    expect((await refresh(refreshToken)).json().code).toBe("RefreshRefused");

    const { sid } = claimsOf(accessToken);
    expect(await home.db.superuser.query("SELECT 1 FROM session_key WHERE session_id = $1", [sid])).toEqual([]);
    const events = await home.db.superuser.query("SELECT kind FROM outbox WHERE session_id = $1", [sid]);
    expect(events).toEqual([{ kind: "session.closed" }]);
    const types = (await recordsOf(sid)).map(({ record }) => [record.type, record.reason]);
    expect(types.slice(0, 2)).toEqual([
      ["session.open", undefined],
      ["session.close", "Logout"],
    ]);
  });

  test("again changes nothing; a token for an app only can end its session too", async () => {
    const { accessToken: token } = await logIn({ audience: ["shop"] });
    for (let time = 0; time < 2; time++) {
      expect((await home.ask({ url: "/auth/logout", json: { token } })).json()).toEqual({ result: 1 });
    }
    const closes = (await recordsOf(claimsOf(token).sid)).filter(({ record }) => record.type === "session.close");
    expect(closes).toHaveLength(1);
  });

  test("without a token, or with a forged one, it is 401", async () => {
    const { accessToken } = await logIn();
    expect((await home.ask({ url: "/auth/logout" })).statusCode).toBe(401);
    const forged = `${accessToken.slice(0, -6)}AAAAAA`;
    expect((await home.ask({ url: "/auth/logout", json: { token: forged } })).statusCode).toBe(401);
    expect((await verify(accessToken)).statusCode).toBe(200);
  });
});

describe("refresh", () => {
  test("rotates: new tokens for the same session", async () => {
    const first = await logIn({ audience: ["shop"] });
    const answer = await refresh(first.refreshToken);
    expect(answer.statusCode).toBe(200);
    const second = answer.json<Tokens>();
    expect(second).toEqual({ accessToken: expect.any(String), refreshToken: expect.any(String), expiresIn: 600 });
    expect(second.refreshToken).not.toBe(first.refreshToken);
    const [before, after] = [claimsOf(first.accessToken), claimsOf(second.accessToken)];
    expect(after).toMatchObject({ sid: before.sid, aud: ["shop"], auth_time: before.auth_time, sub: before.sub });
    expect(after.jti).not.toBe(before.jti);
    expect((await verify(second.accessToken)).statusCode).toBe(200);
    expect((await verify(first.accessToken)).statusCode).toBe(200);
  });

  test("a lost answer is given again within the grace", async () => {
    const { refreshToken } = await logIn();
    const once = (await refresh(refreshToken)).json<Tokens>();
    const again = (await refresh(refreshToken)).json<Tokens>();
    expect(again.refreshToken).toBe(once.refreshToken);
  });

  test("reuse ends the session, is recorded and raises an alert", async () => {
    const { accessToken, refreshToken } = await logIn();
    const second = (await refresh(refreshToken)).json<Tokens>();
    await refresh(second.refreshToken);
    const stolen = await refresh(refreshToken);
    expect([stolen.statusCode, stolen.json().code]).toEqual([401, "RefreshRefused"]);
    const { sid } = claimsOf(accessToken);
    expect((await verify(accessToken)).statusCode).toBe(400);
    expect((await recordsOf(sid)).map(({ record }) => record.reason)).toContain("RefreshReuse");
    const alerts = await home.db.superuser.query("SELECT reason FROM alert WHERE session_id = $1", [sid]);
    expect(alerts).toContainEqual({ reason: "RefreshReuse" });
  });

  test("by cookie, from the same origin only", async () => {
    const { refreshToken } = await logIn();
    const cookie = `__Host-heauth-refresh=${refreshToken}`;
    const ask = (headers: Record<string, string>) =>
      home.ask({ url: "/auth/refresh", headers: { cookie, ...headers } });
    expect((await ask({})).json().code).toBe("CrossSite");
    expect((await ask({ origin: "https://evil.example" })).json().code).toBe("CrossSite");
    expect((await ask({ "sec-fetch-site": "cross-site" })).json().code).toBe("CrossSite");
    const twice = await ask({ "sec-fetch-site": "same-origin", cookie: `${cookie}; ${cookie}` });
    expect(twice.json().code).toBe("DuplicateCredential");
    const good = await ask({ "sec-fetch-site": "same-origin" });
    expect([good.statusCode, good.headers["set-cookie"]]).toEqual([200, expect.any(Array)]);
  });

  test.each([
    ["garbage", () => "garbage"],
    ["another's number", (token: string) => token.replace(/\.0\./, ".1.")],
    ["a changed MAC", (token: string) => `${token.slice(0, -3)}AAA`],
    ["a session that is not there", (token: string) => token.replace(/\.[0-9a-f]{8}-/, ".00000000-")],
    ["a tenant that is not there", (token: string) => token.replace(/^[0-9a-f]{8}-/, "00000000-")],
  ])("%s is refused, and nothing changes", async (_, spoil) => {
    const { refreshToken } = await logIn();
    const answer = await refresh(spoil(refreshToken));
    expect([answer.statusCode, answer.json().code]).toEqual([401, "RefreshRefused"]);
    expect((await refresh(refreshToken)).statusCode).toBe(200);
  });

  test("a refresh of 20 at once gives one rotation and no reuse", async () => {
    const { refreshToken, accessToken } = await logIn();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)));
    expect(new Set(answers.map((answer) => answer.json<Tokens>().refreshToken)).size).toBe(1);
    expect((await verify(accessToken)).statusCode).toBe(200);
  });
});
