import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type BreakableDatabase, breakableDatabase } from "./testing/breakable-database.ts";
import { type Ask, PASSWORD, type TestIdentity, type Tokens, testIdentity } from "./testing/test-identity.ts";

let home: TestIdentity;
let way: BreakableDatabase;
let tokens: Tokens;

beforeAll(async () => {
  home = await testIdentity({
    through: async (url) => {
      way = await breakableDatabase(url);
      return way.url;
    },
  });
  await home.admin(await home.tenant("acme"));
  tokens = await home.logIn({ id: "", name: "acme" }, "admin@example.org");
});
afterAll(async () => {
  await home?.stop();
  await way?.cut();
});

const user = { login: "jo", email: "jo@example.org", password: PASSWORD };
const everything = (): Ask[] => [
  { url: "/auth", json: { tenant: "acme", login: "admin@example.org", password: PASSWORD } },
  { url: "/auth/verify", json: { token: tokens.accessToken } },
  { url: "/auth/refresh", json: { refreshToken: tokens.refreshToken } },
  { url: "/auth/logout", json: { token: tokens.accessToken } },
  { url: "/user", token: tokens.accessToken, json: user },
  { method: "GET", url: "/user", token: tokens.accessToken },
  { method: "DELETE", url: "/user/jo", token: tokens.accessToken },
  { url: "/tenant", json: { email: "t@example.org", password: PASSWORD } },
  { url: "/tenant/login", json: { email: "t@example.org", password: PASSWORD } },
  { url: "/tenant/logout", json: { token: tokens.accessToken } },
  { url: "/tenant/verify", json: { token: tokens.accessToken } },
];

test("while the store is away everything is 503 with a delay, never 401; it lives, is not ready, and all is well after", async () => {
  await way.cut();
  for (const ask of everything()) {
    const answer = await home.ask(ask);
    expect([ask.url, answer.statusCode, answer.json().code]).toEqual([ask.url, 503, "StoreUnavailable"]);
    expect(answer.headers["retry-after"]).toBe("2");
    expect(answer.headers["set-cookie"]).toBeUndefined();
  }
  expect((await home.ask({ method: "GET", url: "/healthz" })).statusCode).toBe(200);
  const ready = await home.ask({ method: "GET", url: "/readyz" });
  expect([ready.statusCode, ready.json()]).toEqual([503, { ok: false, problems: { store: "does not answer" } }]);

  await way.restore();
  expect((await home.ask({ method: "GET", url: "/readyz" })).statusCode).toBe(200);
  expect((await home.ask({ url: "/auth/verify", json: { token: tokens.accessToken } })).statusCode).toBe(200);
  expect((await home.ask({ url: "/user", token: tokens.accessToken, json: user })).statusCode).toBe(201);
  await home.logIn({ id: "", name: "acme" }, "jo");
});
