import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Ask, PASSWORD, type TestIdentity, testIdentity } from "./testing/test-identity.ts";

let home: TestIdentity;
let token: string;

beforeAll(async () => {
  home = await testIdentity();
  await home.admin(await home.tenant("acme"));
  token = (await home.logIn({ id: "", name: "acme" }, "admin@example.org")).accessToken;
});
afterAll(() => home?.stop());

const login = { tenant: "acme", login: "admin@example.org", password: PASSWORD };
const user = { login: "jo", email: "jo@example.org", password: PASSWORD };
const tenant = { email: "t@example.org", password: PASSWORD };
const type = { "content-type": "application/json" };

const auth = (changes: object): Ask => ({ url: "/auth", json: { ...login, ...changes } });
const create = (changes: object): Ask => ({ url: "/user", json: { ...user, ...changes } });
const register = (changes: object): Ask => ({ url: "/tenant", json: { ...tenant, ...changes } });
const raw = (body: string | Buffer, headers: Record<string, string> = type): Ask => ({ url: "/auth", body, headers });
const list = (query: string): Ask => ({ method: "GET", url: `/user?${query}` });
const remove = (path: string): Ask => ({ method: "DELETE", url: `/user/${path}` });

const INVALID = [400, "InvalidRequest"] as const;
const table: [name: string, ask: Ask, status: number, code: string][] = [
  // Bodies as such
  ["no body", { url: "/auth" }, ...INVALID],
  ["an empty body", raw(""), ...INVALID],
  ["white space", raw("  "), ...INVALID],
  ["not JSON", raw("login=jo"), ...INVALID],
  ["half an object", raw('{"login":"jo"'), ...INVALID],
  ["trailing text", raw(`${JSON.stringify(login)}x`), ...INVALID],
  ["a comment", raw('{/* */"login":"jo"}'), ...INVALID],
  ["NaN", raw('{"login":NaN}'), ...INVALID],
  ["a byte order mark", raw(`\ufeff${JSON.stringify(login)}`), ...INVALID],
  ["UTF-16", raw(Buffer.from(JSON.stringify(login), "utf16le")), ...INVALID],
  ["not UTF-8", raw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), ...INVALID],
  [
    "an overlong NUL",
    raw(Buffer.concat([Buffer.from('{"login":"'), Buffer.from([0xc0, 0x80]), Buffer.from('"}')])),
    ...INVALID,
  ],
  [
    "an encoded surrogate",
    raw(Buffer.concat([Buffer.from('{"login":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])),
    ...INVALID,
  ],
  ["null", raw("null"), ...INVALID],
  ["a list", raw("[]"), ...INVALID],
  ["a text", raw('"login"'), ...INVALID],
  ["a number", raw("1e999"), ...INVALID],
  ["true", raw("true"), ...INVALID],
  ["very deep", raw(`${"[".repeat(30_000)}${"]".repeat(30_000)}`), ...INVALID],
  ["64 KiB and a byte", raw(`{"login":"${"x".repeat(65_536)}"}`), 413, "BodyTooLarge"],
  ["no content type", raw(JSON.stringify(login), {}), 415, "UnsupportedMediaType"],
  ["a form", raw("login=jo", { "content-type": "application/x-www-form-urlencoded" }), 415, "UnsupportedMediaType"],
  [
    "text/plain, as a cross-site form sends it",
    raw(JSON.stringify(login), { "content-type": "text/plain" }),
    415,
    "UnsupportedMediaType",
  ],
  ["multipart", raw("--x--", { "content-type": "multipart/form-data; boundary=x" }), 415, "UnsupportedMediaType"],
  ["an empty content type", raw(JSON.stringify(login), { "content-type": "" }), 415, "UnsupportedMediaType"],
  [
    "another JSON",
    raw(JSON.stringify(login), { "content-type": "application/json-patch+json" }),
    415,
    "UnsupportedMediaType",
  ],
  // Fields
  ["an unknown field", auth({ admin: true }), ...INVALID],
  ["__proto__", raw(`{"__proto__":{"login":"x"},${JSON.stringify(login).slice(1)}`), ...INVALID],
  ["constructor", raw(`{"constructor":{"prototype":{}},${JSON.stringify(login).slice(1)}`), ...INVALID],
  ["no password", auth({ password: undefined }), ...INVALID],
  ["an empty password", auth({ password: "" }), ...INVALID],
  ["a password as a number", auth({ password: 123456789 }), ...INVALID],
  ["a password as a list", auth({ password: [PASSWORD] }), ...INVALID],
  ["a password as an object", auth({ password: { $ne: "" } }), ...INVALID],
  ["a password with a NUL byte", auth({ password: `${PASSWORD}\0` }), ...INVALID],
  ["a password with a lone surrogate", auth({ password: `${PASSWORD}\ud800` }), ...INVALID],
  ["a password of 1025 characters", auth({ password: "x".repeat(1025) }), ...INVALID],
  ["a login with a NUL byte", auth({ login: "admin\0" }), ...INVALID],
  ["a login in full width", auth({ login: "ａｄｍｉｎ" }), ...INVALID],
  ["a login with a Cyrillic letter", auth({ login: "\u0430dmin" }), ...INVALID],
  ["a login with a zero-width joiner", auth({ login: "ad\u200dmin" }), ...INVALID],
  ["a login with a right-to-left override", auth({ login: "ad\u202emin" }), ...INVALID],
  ["a login with a lone surrogate", auth({ login: "\udc00" }), ...INVALID],
  ["a login with SQL", auth({ login: "' OR 1=1 --" }), ...INVALID],
  ["a very long login", auth({ login: "x".repeat(255) }), ...INVALID],
  ["a login as null", auth({ login: null }), ...INVALID],
  ["an empty tenant", auth({ tenant: "" }), ...INVALID],
  ["a tenant with a NUL byte", auth({ tenant: "acme\0" }), ...INVALID],
  ["a tenant as an object", auth({ tenant: { name: "acme" } }), ...INVALID],
  ["a tenant that is not there", auth({ tenant: "nowhere" }), 401, "LoginFailed"],
  ["a tenant with a path", auth({ tenant: "../acme" }), 401, "LoginFailed"],
  ["a tenant in upper case", auth({ tenant: "ACME" }), 401, "LoginFailed"],
  ["a device with a line feed", auth({ deviceId: "a\nb" }), ...INVALID],
  ["a device of 129 characters", auth({ deviceId: "x".repeat(129) }), ...INVALID],
  ["an audience that the tenant has not", auth({ audience: "bank" }), ...INVALID],
  ["no audience at all", auth({ audience: [] }), ...INVALID],
  ["an audience as a number", auth({ audience: 1 }), ...INVALID],
  ["too many audiences", auth({ audience: Array.from({ length: 18 }, (_, index) => `a${index}`) }), ...INVALID],
  // Tokens in bodies
  ["verify without token", { url: "/auth/verify", json: {} }, ...INVALID],
  ["verify with a number", { url: "/auth/verify", json: { token: 1 } }, ...INVALID],
  ["verify with an empty token", { url: "/auth/verify", json: { token: "" } }, ...INVALID],
  ["verify with too long a token", { url: "/auth/verify", json: { token: "x".repeat(8193) } }, ...INVALID],
  ["verify with garbage", { url: "/auth/verify", json: { token: "garbage" } }, 400, "TokenRefused"],
  ["verify with a NUL byte", { url: "/auth/verify", json: { token: "a\0b" } }, 400, "TokenRefused"],
  ["log out with garbage", { url: "/auth/logout", json: { token: "a.b.c" } }, 401, "Unauthenticated"],
  ["log out with a list", { url: "/auth/logout", json: [] }, ...INVALID],
  ["refresh without token", { url: "/auth/refresh", json: {} }, 401, "RefreshRefused"],
  ["refresh with garbage", { url: "/auth/refresh", json: { refreshToken: "garbage" } }, 401, "RefreshRefused"],
  ["refresh with an access token's field", { url: "/auth/refresh", json: { token: "x" } }, ...INVALID],
  ["refresh with a NUL byte", { url: "/auth/refresh", json: { refreshToken: "\0" } }, 401, "RefreshRefused"],
  // Users
  ["a user without e-mail address", create({ email: undefined }), ...INVALID],
  ["an e-mail address with a line feed", create({ email: "a@b.org\nBcc: c@d.org" }), ...INVALID],
  ["an e-mail address in unicode", create({ email: "jö@b.org" }), ...INVALID],
  ["a subject with a space", create({ sub: "a b" }), ...INVALID],
  ["a subject with a line feed", create({ sub: "a\r\nx-evil: 1" }), ...INVALID],
  ["an empty subject", create({ sub: "" }), ...INVALID],
  ["a scope with a quote", create({ scope: 'a"b' }), ...INVALID],
  ["roles as a text", create({ roles: "admin" }), ...INVALID],
  ["a role with a space", create({ roles: ["a b"] }), ...INVALID],
  ["a role with a NUL byte", create({ roles: ["a\0"] }), ...INVALID],
  ["a role as null", create({ roles: [null] }), ...INVALID],
  ["too many roles", create({ roles: Array.from({ length: 33 }, (_, index) => `r${index}`) }), ...INVALID],
  ["an id of one's own", create({ id: "01920000-0000-7000-8000-000000000001" }), ...INVALID],
  ["a password hash of one's own", create({ passwordHash: "x" }), ...INVALID],
  ["a search with a NUL byte", list("q=%00"), ...INVALID],
  ["a search that is not UTF-8", list("q=%ff"), 200, ""],
  ["an empty search", list("q="), ...INVALID],
  ["two searches", list("q=a&q=b"), ...INVALID],
  ["an unknown parameter", list("limit=1000000"), ...INVALID],
  ["a cursor that was not given out", list("cursor=!!!"), ...INVALID],
  ["a cursor with a NUL byte", list("cursor=YQBi"), ...INVALID],
  ["a cursor that is not UTF-8", list("cursor=_w"), ...INVALID],
  ["a very long cursor", list(`cursor=${"a".repeat(513)}`), ...INVALID],
  ["delete nobody", remove(""), 400, "InvalidRequest"],
  ["delete a path", remove("..%2f..%2fetc"), ...INVALID],
  ["delete a NUL byte", remove("%00"), ...INVALID],
  ["delete what is not UTF-8", remove("%ff"), ...INVALID],
  ["delete a very long login", remove("x".repeat(300)), ...INVALID],
  ["delete a longer one", remove("x".repeat(3000)), ...INVALID],
  ["delete one who is not there", remove("nobody"), 404, "UserNotFound"],
  // Tenants
  ["a tenant's name with a dot", register({ name: "a.b" }), ...INVALID],
  ["a tenant's name in upper case", register({ name: "Acme" }), ...INVALID],
  ["a tenant's empty name", register({ name: "" }), ...INVALID],
  ["a tenant's name that is taken", register({ name: "acme" }), 409, "NameTaken"],
  ["a tenant with a weak password", register({ password: "passwordpassword" }), 400, "PasswordRefused"],
  ["a tenant with settings of its own", register({ settings: {} }), ...INVALID],
  ["a tenant's login without password", { url: "/tenant/login", json: { email: "t@example.org" } }, ...INVALID],
  // Paths and methods
  ["a page that is not there", { method: "GET", url: "/nowhere" }, 404, "NotFound"],
  ["another method", { method: "PUT", url: "/user", json: user }, 404, "NotFound"],
  ["a trailing slash", { url: "/auth/", json: login }, 404, "NotFound"],
  ["two slashes", { url: "//auth", json: login }, 404, "NotFound"],
  ["another case", { url: "/AUTH", json: login }, 404, "NotFound"],
  ["a very long path", { method: "GET", url: `/${"a".repeat(10_000)}` }, 404, "NotFound"],
];

describe("each with its own answer, and none a 500", () => {
  test.each(table)("%s", async (_, ask, status, code) => {
    const answer = await home.ask({ ...ask, ...(ask.url.startsWith("/user") && { token }) });
    expect([answer.statusCode, answer.json().code ?? ""]).toEqual([status, code]);
    if (status >= 400) {
      expect(answer.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect(answer.json()).toMatchObject({
        status,
        title: expect.any(String),
        type: `https://heauth.io/problems/${code}`,
      });
    }
  });
});

test("after all that it still answers, and nothing came of it", async () => {
  await home.logIn({ id: "", name: "acme" }, "admin@example.org");
  const { users } = (await home.ask({ method: "GET", url: "/user", token })).json();
  expect(users.map(({ login: name }: { login: string }) => name)).toEqual(["admin@example.org"]);
  const tenants = await home.db.superuser.query("SELECT name FROM tenant");
  expect(tenants).toEqual([{ name: "acme" }]);
  expect(home.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});

test("what a client sent is not repeated in what it is told", async () => {
  for (const ask of [auth({ "my-secret-field": 1 }), auth({ login: "my secret login" }), raw('{"my-secret": tru')]) {
    expect((await home.ask(ask)).body).not.toMatch(/my.secret/);
  }
});
