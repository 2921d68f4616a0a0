import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  type Ask,
  PASSWORD,
  type TestIdentity,
  type TestTenant,
  type Tokens,
  testIdentity,
} from "./testing/test-identity.ts";

// Two tenants with the same logins: whatever is asked with one's tokens or ids must leave the other one as it is.
let home: TestIdentity;
let acme: TestTenant;
let evil: TestTenant;
let acmeAdmin: Tokens;
let evilAdmin: Tokens;
let acmeUser: Tokens;

beforeAll(async () => {
  home = await testIdentity();
  acme = await home.tenant("acme");
  evil = await home.tenant("evil");
  for (const tenant of [acme, evil]) await home.admin(tenant);
  acmeAdmin = await home.logIn(acme, "admin@example.org");
  evilAdmin = await home.logIn(evil, "admin@example.org");
  await home.ask({ url: "/user", token: acmeAdmin.accessToken, json: user("victim") });
  acmeUser = await home.logIn(acme, "victim");
});
afterAll(() => home?.stop());

const user = (login: string) => ({ login, email: `${login}@example.org`, password: PASSWORD });
const payload = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Everything of a tenant that can change, but for the ledger, which also tells of what was refused. */
async function stateOf({ id }: TestTenant): Promise<unknown> {
  const of = (table: string, columns: string) =>
    home.db.superuser.query(`SELECT ${columns} FROM ${table} WHERE tenant_id = $1 ORDER BY 1, 2`, [id]);
  return Promise.all([
    of("tenant_user", "*"),
    of("user_role", "*"),
    of("role", "name, tenant_id"),
    of("session", "id, closed_at, generation, refresh_number"),
    of("session_key", "*"),
    of("outbox", "*"),
  ]);
}

/** A token of evil's with claims or an id of acme's put in. */
function spliced(changes: object, kidOf?: string): string {
  const [header = "", body = "", signature = ""] = evilAdmin.accessToken.split(".");
  const kid = kidOf && JSON.parse(Buffer.from(kidOf.split(".")[0] ?? "", "base64url").toString()).kid;
  const newHeader = kid ? b64({ alg: "Ed25519", typ: "at+jwt", kid }) : header;
  return `${newHeader}.${Object.keys(changes).length ? b64({ ...payload(evilAdmin.accessToken), ...changes }) : body}.${signature}`;
}

const attacks: [name: string, make: () => Ask, status: number][] = [
  ["create a user elsewhere", () => ({ url: "/user", token: spliced({ tenant: acme.id }), json: user("x") }), 401],
  [
    "create a user with acme's session id",
    () => ({ url: "/user", token: spliced({}, acmeAdmin.accessToken), json: user("x") }),
    401,
  ],
  [
    "create a user with acme's session id and tenant",
    () => {
      const { sid } = payload(acmeAdmin.accessToken);
      return { url: "/user", token: spliced({ tenant: acme.id, sid }, acmeAdmin.accessToken), json: user("x") };
    },
    401,
  ],
  [
    "name the tenant in the body",
    () => ({ url: "/user", token: evilAdmin.accessToken, json: { ...user("x"), tenant: acme.id } }),
    400,
  ],
  ["list users", () => ({ method: "GET", url: "/user", token: spliced({ tenant: acme.id }) }), 401],
  ["find another tenant's user", () => ({ method: "GET", url: "/user?q=victim", token: evilAdmin.accessToken }), 200],
  [
    "name the tenant in the query",
    () => ({ method: "GET", url: `/user?tenant=${acme.id}`, token: evilAdmin.accessToken }),
    400,
  ],
  [
    "delete another tenant's user",
    () => ({ method: "DELETE", url: "/user/victim", token: evilAdmin.accessToken }),
    404,
  ],
  [
    "delete with a spliced token",
    () => ({ method: "DELETE", url: "/user/victim", token: spliced({ tenant: acme.id }) }),
    401,
  ],
  [
    "log in with another tenant's password",
    () => ({ url: "/auth", json: { tenant: "evil", login: "victim", password: PASSWORD } }),
    401,
  ],
  ["verify a spliced token", () => ({ url: "/auth/verify", json: { token: spliced({ tenant: acme.id }) } }), 400],
  [
    "log out another tenant's session",
    () => ({ url: "/auth/logout", json: { token: spliced({ tenant: acme.id }, acmeUser.accessToken) } }),
    401,
  ],
  [
    "refresh under another tenant",
    () => ({ url: "/auth/refresh", json: { refreshToken: acmeUser.refreshToken.replace(acme.id, evil.id) } }),
    401,
  ],
  [
    "refresh another's session",
    () => ({ url: "/auth/refresh", json: { refreshToken: evilAdmin.refreshToken.replace(evil.id, acme.id) } }),
    401,
  ],
  [
    "refresh with another's session id",
    () => ({
      url: "/auth/refresh",
      json: {
        refreshToken: evilAdmin.refreshToken.replace(
          payload(evilAdmin.accessToken).sid,
          payload(acmeUser.accessToken).sid,
        ),
      },
    }),
    401,
  ],
  ["pass as a tenant", () => ({ url: "/tenant/verify", json: { token: evilAdmin.accessToken } }), 400],
  [
    "log another tenant out",
    () => ({ url: "/tenant/logout", json: { token: spliced({ tenant: acme.id, isTenant: true }) } }),
    401,
  ],
];

test.each(attacks)("cannot %s", async (_, make, status) => {
  const before = await stateOf(acme);
  const answer = await home.ask(make());
  expect(answer.statusCode).toBe(status);
  expect(answer.body).not.toContain("victim");
  expect(await stateOf(acme)).toEqual(before);
  expect((await home.ask({ url: "/auth/verify", json: { token: acmeUser.accessToken } })).statusCode).toBe(200);
});

test("the same login and address in two tenants are two people", async () => {
  const list = async ({ accessToken }: Tokens) =>
    (await home.ask({ method: "GET", url: "/user", token: accessToken }))
      .json()
      .users.map(({ login }: { login: string }) => login);
  expect(await list(acmeAdmin)).toEqual(["admin@example.org", "victim"]);
  expect(await list(evilAdmin)).toEqual(["admin@example.org"]);
});

test("where there is more than one tenant, a login must name one; where there is one, it need not", async () => {
  const json = { login: "admin@example.org", password: PASSWORD };
  expect((await home.ask({ url: "/auth", json })).json().code).toBe("TenantRequired");
  const single = await testIdentity();
  try {
    expect((await single.ask({ url: "/auth", json })).json().code).toBe("TenantRequired");
    await single.admin(await single.tenant("only"));
    expect((await single.ask({ url: "/auth", json })).statusCode).toBe(200);
  } finally {
    await single.stop();
  }
});
