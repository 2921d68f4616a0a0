import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { PASSWORD, type TestIdentity, type TestTenant, testIdentity } from "../testing/test-identity.ts";

let home: TestIdentity;
let acme: TestTenant;
let adminId: string;
let token: string;

beforeAll(async () => {
  home = await testIdentity();
  acme = await home.tenant("acme");
  adminId = await home.admin(acme);
  token = (await home.logIn(acme, "admin@example.org")).accessToken;
});
afterAll(() => home?.stop());

const user = (login: string, more = {}) => ({ login, email: `${login}@example.org`, password: PASSWORD, ...more });
const create = (json: unknown, headers = {}) => home.ask({ url: "/user", json, token, headers });
const outcome = ({ statusCode, json }: { statusCode: number; json: () => { code?: string } }) => [
  statusCode,
  json().code,
];

describe("POST /user", () => {
  test("creates a user, with exactly what it was given, and a record in the admin's own block", async () => {
    const wanted = user("Alice", { sub: "patient:1", scope: "read write", roles: ["nurse", "doctor", "nurse"] });
    const answer = await create(wanted, { "x-request-id": "req-1" });
    expect(answer.statusCode).toBe(201);
    expect(answer.json()).toEqual({
      id: expect.any(String),
      login: "Alice",
      email: "alice@example.org",
      tenant: acme.id,
      sub: "patient:1",
      scope: "read write",
      roles: ["doctor", "nurse"],
    });
    const made = (await home.records(acme)).find(
      ({ record }) => record.type === "identity.user.create" && record.request === "req-1",
    );
    const { sid } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    expect(made?.record).toMatchObject({ source: "identity", session: sid });
    expect(made?.private).toEqual({
      user: answer.json().id,
      login: "Alice",
      email: "alice@example.org",
      peer: "127.0.0.1",
      userAgent: "lightMyRequest",
      details: { by: adminId, subject: "patient:1", roles: "doctor nurse" },
    });
    expect(JSON.stringify(made)).not.toContain(PASSWORD);
  });

  test("without the optional fields: the subject is the id, there is no scope and no role", async () => {
    const { id, ...rest } = (await create(user("bob"))).json();
    expect(rest).toEqual({ login: "bob", email: "bob@example.org", tenant: acme.id, sub: id, scope: null, roles: [] });
  });

  test("the user logs in with the login or the e-mail address, in any case", async () => {
    await create(user("carol", { roles: ["nurse"] }));
    for (const login of ["carol", "CAROL", "Carol@Example.ORG"]) {
      const { accessToken } = await home.logIn(acme, login);
      const { decoded } = (await home.ask({ url: "/auth/verify", json: { token: accessToken } })).json();
      expect(decoded.roles).toEqual(["nurse"]);
    }
  });

  test("logins and e-mail addresses are taken once, in any case; nothing is left of a refused one", async () => {
    await create(user("dora"));
    const count = async () =>
      (await home.records(acme)).filter(({ record }) => record.type === "identity.user.create").length;
    const before = await count();
    expect(outcome(await create(user("DORA", { email: "other@example.org" })))).toEqual([409, "LoginTaken"]);
    expect(outcome(await create(user("dora2", { email: "Dora@example.org" })))).toEqual([409, "EmailTaken"]);
    expect(await count()).toBe(before);
  });

  test("a login that is an e-mail address must be the user's own", async () => {
    expect(outcome(await create(user("dora@example.org", { email: "thief@example.org" })))).toEqual([
      400,
      "InvalidRequest",
    ]);
    expect((await create({ login: "Own@example.org", email: "own@Example.org", password: PASSWORD })).statusCode).toBe(
      201,
    );
  });

  test.each([
    ["too short", "kurz"],
    ["common", "passwordpassword1"],
    ["made from the login", "mallory-mallory1"],
    ["too long", "lang und länger ".repeat(63)],
  ])("a password that is %s is refused, and not repeated", async (_, password) => {
    const answer = await create(user("mallory", { password }));
    expect(answer.json()).toMatchObject({ status: 400, code: "PasswordRefused", errors: [{ pointer: "/password" }] });
    expect(answer.body).not.toContain(password);
  });

  test("twenty at once with one login make one user", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create(user("eve"))));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, ...Array(19).fill(409)]);
  });
});

describe("who may", () => {
  test("the role counts as the store has it now, not as the token says", async () => {
    await create(user("frank", { roles: ["admin"] }));
    const { accessToken } = await home.logIn(acme, "frank");
    const ask = () => home.ask({ method: "GET", url: "/user", token: accessToken });
    expect((await ask()).statusCode).toBe(200);
    await home.db.superuser.query("DELETE FROM user_role WHERE role = 'admin' AND user_id <> $1", [adminId]);
    expect(outcome(await ask())).toEqual([403, "Forbidden"]);
  });

  test.each([
    ["GET", "/user", undefined],
    ["POST", "/user", user("gina")],
    ["DELETE", "/user/alice", undefined],
  ] as const)(
    "%s %s: not without a token, nor without the role, nor with an app's token",
    async (method, url, json) => {
      const ask = (as?: string) => home.ask({ method, url, json, token: as });
      const anonymous = await ask();
      expect(outcome(anonymous)).toEqual([401, "Unauthenticated"]);
      expect(anonymous.headers["www-authenticate"]).toBe('Bearer realm="heauth"');
      expect(outcome(await ask((await home.logIn(acme, "bob")).accessToken))).toEqual([403, "Forbidden"]);
      const forApp = await home.logIn(acme, "admin@example.org", { audience: ["shop"] });
      expect(outcome(await ask(forApp.accessToken))).toEqual([401, "Unauthenticated"]);
      expect((await home.records(acme)).at(-1)?.record).toMatchObject({ type: "decision", reason: "WrongAudience" });
    },
  );

  test("by cookie: reading from anywhere, changing from the same origin only", async () => {
    const cookie = `__Host-heauth-access=${token}`;
    const ask = (method: "GET" | "POST", headers = {}) =>
      home.ask({
        method,
        url: "/user",
        headers: { cookie, ...headers },
        ...(method === "POST" && { json: user("hank") }),
      });
    expect((await ask("GET")).statusCode).toBe(200);
    for (const headers of [
      {},
      { origin: "null" },
      { origin: "https://evil.example" },
      { "sec-fetch-site": "same-site" },
    ]) {
      expect(outcome(await ask("POST", headers))).toEqual([403, "CrossSite"]);
    }
    expect((await ask("POST", { "sec-fetch-site": "same-origin" })).statusCode).toBe(201);
  });
});

describe("GET /user", () => {
  test("pages by login, without leaving out or repeating anybody", async () => {
    const big = await home.tenant("big");
    await home.admin(big);
    const { accessToken } = await home.logIn(big, "admin@example.org");
    await home.db.superuser.query(
      `INSERT INTO tenant_user (tenant_id, id, login, email, subject, password_hash)
       SELECT $1, gen_random_uuid(), 'u' || lpad(n::text, 4, '0'), 'u' || n || '@x.org', n::text, '-' FROM generate_series(1, 250) n`,
      [big.id],
    );
    const logins: string[] = [];
    let cursor: string | undefined;
    do {
      const url = `/user${cursor === undefined ? "" : `?cursor=${cursor}`}`;
      const page = (await home.ask({ method: "GET", url, token: accessToken })).json();
      expect(page.users.length).toBeLessThanOrEqual(100);
      logins.push(...page.users.map(({ login }: { login: string }) => login));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(logins).toHaveLength(251);
    expect(logins).toEqual([...new Set(logins)].sort());
  });

  test("searches logins and e-mail addresses, literally", async () => {
    const search = async (q: string) =>
      (await home.ask({ method: "GET", url: `/user?q=${encodeURIComponent(q)}`, token }))
        .json()
        .users.map(({ login }: { login: string }) => login);
    expect(await search("ALIC")).toEqual(["Alice"]);
    expect(await search("own@ex")).toEqual(["own@example.org"]);
    expect(await search("%")).toEqual([]);
    expect(await search("' OR '1'='1")).toEqual([]);
  });
});

describe("DELETE /user/{login}", () => {
  test("ends the user's sessions and is recorded; again it is 404", async () => {
    await create(user("ivan"));
    const session = await home.logIn(acme, "ivan");
    const ask = () => home.ask({ method: "DELETE", url: "/user/IVAN", token, headers: { "x-request-id": "del-1" } });
    const answer = await ask();
    expect([answer.statusCode, answer.json()]).toEqual([200, { result: 1 }]);
    expect((await home.ask({ url: "/auth/verify", json: { token: session.accessToken } })).statusCode).toBe(400);
    expect((await home.ask({ url: "/auth/refresh", json: { refreshToken: session.refreshToken } })).statusCode).toBe(
      401,
    );
    const records = (await home.records(acme)).filter(({ record }) => record.request === "del-1");
    expect(records.map(({ record }) => record.type)).toEqual(["identity.user.delete"]);
    expect(records[0]?.private).toMatchObject({ login: "ivan", email: "ivan@example.org", details: { by: adminId } });
    expect(outcome(await ask())).toEqual([404, "UserNotFound"]);
  });

  test("twenty at once delete once", async () => {
    await create(user("judy"));
    await home.logIn(acme, "judy");
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => home.ask({ method: "DELETE", url: "/user/judy", token })),
    );
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, ...Array(19).fill(404)]);
  });

  test("an admin may delete himself: his session ends with it", async () => {
    await create(user("kim", { roles: ["admin"] }));
    const own = (await home.logIn(acme, "kim")).accessToken;
    expect((await home.ask({ method: "DELETE", url: "/user/kim", token: own })).statusCode).toBe(200);
    expect((await home.ask({ method: "GET", url: "/user", token: own })).statusCode).toBe(401);
  });
});
