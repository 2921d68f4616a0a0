import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { PASSWORD, type TestIdentity, testIdentity } from "../testing/test-identity.ts";

let home: TestIdentity;
beforeAll(async () => {
  home = await testIdentity();
});
afterAll(() => home?.stop());

const register = (json: object) => home.ask({ url: "/tenant", json: { password: PASSWORD, ...json } });
const logIn = (email: string, password = PASSWORD) => home.ask({ url: "/tenant/login", json: { email, password } });
const verify = (token: string) => home.ask({ url: "/tenant/verify", json: { token } });

test("a tenant registers, logs in, manages its users, and logs out", async () => {
  const registered = await register({ email: "Ops@acme.example", name: "acme" });
  expect(registered.statusCode).toBe(201);
  const { id, token } = registered.json();
  expect(registered.json()).toEqual({ id: expect.any(String), email: "ops@acme.example", token: expect.any(String) });

  const { decoded } = (await verify(token)).json();
  expect(decoded).toMatchObject({ tenant: id, sub: id, aud: ["heauth"], roles: [], isTenant: true });
  expect(decoded.exp - decoded.iat).toBe(12 * 3600);

  const login = await logIn("OPS@acme.example");
  expect(login.json()).toEqual({ token: expect.any(String) });
  const own = login.json().token;
  const user = { login: "jo", email: "jo@acme.example", password: PASSWORD, roles: ["admin"] };
  expect((await home.ask({ url: "/user", token: own, json: user })).json()).toMatchObject({ login: "jo", tenant: id });
  for (const tenant of ["acme", id]) {
    expect((await home.ask({ url: "/auth", json: { tenant, login: "jo", password: PASSWORD } })).statusCode).toBe(200);
  }

  const logout = await home.ask({ url: "/tenant/logout", json: { token: own } });
  expect([logout.statusCode, logout.json()]).toEqual([200, { result: 1 }]);
  expect((await verify(own)).json().code).toBe("TokenRefused");
  expect((await home.ask({ method: "GET", url: "/user", token: own })).statusCode).toBe(401);
  expect((await verify(token)).statusCode).toBe(200);

  const types = (await home.records({ id })).map(({ record }) => record.type);
  expect(types.slice(0, 5)).toEqual([
    "journal.open",
    "identity.tenant.create",
    "session.open",
    "session.open",
    "identity.user.create",
  ]);
  expect(types.filter((type) => type === "session.close")).toHaveLength(1);
});

test("name and e-mail address are taken once; without a name one is made up", async () => {
  const { id } = (await register({ email: "a@b.example", name: "taken" })).json();
  expect((await register({ email: "A@b.example", name: "other" })).json()).toMatchObject({
    status: 409,
    code: "EmailTaken",
  });
  expect((await register({ email: "c@b.example", name: "taken" })).json()).toMatchObject({
    status: 409,
    code: "NameTaken",
  });
  const unnamed = (await register({ email: "d@b.example" })).json();
  const [row] = await home.db.superuser.query("SELECT name FROM tenant WHERE id = $1", [unnamed.id]);
  expect(row).toEqual({ name: `t-${unnamed.id}` });
  expect(id).not.toBe(unnamed.id);
});

test("a wrong password and an unknown e-mail address look alike", async () => {
  await register({ email: "real@b.example" });
  const shape = async (email: string) => {
    const answer = await logIn(email, "not the password");
    const { instance: _, ...body } = answer.json();
    return [answer.statusCode, body, Object.keys(answer.headers).sort()];
  };
  expect(await shape("real@b.example")).toEqual(await shape("nobody@b.example"));
});

test("a user's token is no tenant's, nor the other way round", async () => {
  const { token } = (await register({ email: "x@b.example", name: "x" })).json();
  await home.ask({ url: "/user", token, json: { login: "u", email: "u@b.example", password: PASSWORD } });
  const user = (await home.ask({ url: "/auth", json: { tenant: "x", login: "u", password: PASSWORD } })).json();
  expect((await verify(user.accessToken)).json().code).toBe("TokenRefused");
  expect((await home.ask({ url: "/tenant/logout", json: { token: user.accessToken } })).statusCode).toBe(401);
  expect((await home.ask({ url: "/auth/logout", json: { token } })).statusCode).toBe(401);
  expect((await verify(token)).statusCode).toBe(200);
});

test("where it is switched off, nobody registers", async () => {
  const closed = await testIdentity({ tenantRegistration: false });
  try {
    const answer = await closed.ask({ url: "/tenant", json: { email: "a@b.example", password: PASSWORD } });
    expect([answer.statusCode, answer.json().code]).toEqual([403, "RegistrationClosed"]);
    expect(await closed.db.superuser.query("SELECT FROM tenant")).toEqual([]);
  } finally {
    await closed.stop();
  }
});
