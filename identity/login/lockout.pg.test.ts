import { hashPassword } from "@heauth/core/users";
import { systemClock } from "@heauth/program";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { PASSWORD, type TestIdentity, type TestTenant, testIdentity } from "../testing/test-identity.ts";

const FAILURES = 5;
let home: TestIdentity;
let acme: TestTenant;
/** When identity's clock was stopped, where it stands still; in ms since the epoch. */
let stoppedAt: number | undefined;
const clock = { ...systemClock, wallMs: () => stoppedAt ?? systemClock.wallMs() };

beforeAll(async () => {
  // Many at once: it is the counter that must hold, not the queue in front of it.
  home = await testIdentity({ hashingThreads: 64, clock });
  acme = await home.tenant("acme", { lockout: { failures: FAILURES, windowMs: 900_000, delay: "Exponential" } });
});
afterAll(() => home?.stop());
afterEach(() => {
  stoppedAt = undefined;
});

let made = 0;
/** A user that no other test has guessed at. @returns its login */
async function freshUser(): Promise<string> {
  const email = `victim${++made}@example.org`;
  await home.admin(acme, email);
  return email;
}
const attempt = (login: string, password: string, { tenant = "acme", from = "192.0.2.1" } = {}) =>
  home.ask({ url: "/auth", json: { tenant, login, password }, from });
const codes = (answers: { json: () => { code?: string } }[]) => {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer.json().code ?? "ok"] = (counts[answer.json().code ?? "ok"] ?? 0) + 1;
  return counts;
};
/** How many more tries the delays that have passed meanwhile give: after 1 s, after 2 s more, after 4 s more. */
const delaysSince = (start: number) => Math.floor(Math.log2((performance.now() - start) / 1000 + 1));
/** Lets delays that have begun go on, however slow the machine is. */
const prolongDelays = () =>
  home.db.superuser.query("UPDATE login_failure SET retry_at = now() + interval '1 h' WHERE retry_at > window_start");

test("200 guesses at once, from as many addresses, get no more tries than the tenant allows; the right one among the rest is not told", async () => {
  const login = await freshUser();
  const start = performance.now();
  const guesses = Array.from({ length: 200 }, (_, index) =>
    attempt(login, index < 100 ? `wrong guess ${index}` : PASSWORD, { from: `198.51.100.${index}` }),
  );
  const answers = await Promise.all(guesses);
  const { LoginFailed = 0, TooManyAttempts = 0, ok = 0 } = codes(answers);
  expect(LoginFailed + ok).toBeLessThanOrEqual(FAILURES + delaysSince(start));
  expect(LoginFailed).toBeGreaterThan(0);
  expect(LoginFailed + TooManyAttempts + ok).toBe(200);
  for (const answer of answers.filter(({ statusCode }) => statusCode === 429)) {
    expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  }
});

test("login and e-mail address share one counter; the delay ends", async () => {
  const { accessToken } = await home.logIn(acme, await freshUser());
  const json = { login: "nina", email: "nina@example.org", password: PASSWORD };
  expect((await home.ask({ url: "/user", token: accessToken, json })).statusCode).toBe(201);
  for (let failure = 0; failure < FAILURES; failure++) {
    const login = failure % 2 === 0 ? "nina" : "nina@example.org";
    expect((await attempt(login, "wrong", { from: `203.0.113.${failure}` })).statusCode).toBe(401);
  }
  await prolongDelays();
  expect((await attempt("nina", PASSWORD, { from: "203.0.113.99" })).json().code).toBe("TooManyAttempts");
  await home.db.superuser.query("UPDATE login_failure SET retry_at = now() - interval '1 s'");
  expect((await attempt("nina", PASSWORD, { from: "203.0.113.99" })).statusCode).toBe(200);
});

test("one address that tries many accounts is held back too; another is not", async () => {
  const login = await freshUser();
  const from = "2001:db8:1:2:3::";
  const start = performance.now();
  const guesses = Array.from({ length: FAILURES * 10 + 20 }, (_, index) =>
    attempt(`nobody${index}`, "x", { from: `${from}${index}` }),
  );
  const { TooManyAttempts = 0, LoginFailed = 0 } = codes(await Promise.all(guesses));
  expect(LoginFailed).toBeGreaterThanOrEqual(FAILURES * 10);
  expect(LoginFailed).toBeLessThanOrEqual(FAILURES * 10 + delaysSince(start));
  expect(LoginFailed + TooManyAttempts).toBe(FAILURES * 10 + 20);
  await prolongDelays();
  expect((await attempt(login, PASSWORD, { from: "2001:db8:1:2::ffff" })).statusCode).toBe(429);
  expect((await attempt(login, PASSWORD, { from: "2001:db8:1:3::ffff" })).statusCode).toBe(200);
});

test.each([
  ["an account that is there", async () => freshUser(), "acme"],
  ["one that is not", async () => "nobody", "acme"],
  ["one of a tenant that is not", async () => "nobody", "nowhere"],
])("%s: the same answers, delays and headers", async (_, make, tenant) => {
  const login = await make();
  const from = `203.0.113.${100 + made}`;
  const answers = [];
  stoppedAt = Date.now(); // a tenant that is not has its delays in memory, by this clock
  for (let failure = 0; failure < 10; failure++) {
    answers.push(await attempt(login, "wrong", { tenant, from }));
    await prolongDelays();
  }
  const limit = tenant === "acme" ? FAILURES : 10;
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([
    ...Array(limit).fill(401),
    ...Array(10 - limit).fill(429),
  ]);
  const [first] = answers;
  expect(first?.json()).toEqual({
    type: "https://heauth.io/problems/LoginFailed",
    title: "Login and password do not fit.",
    status: 401,
    code: "LoginFailed",
    instance: expect.any(String),
  });
  expect((await attempt(login, "wrong", { tenant, from })).statusCode).toBe(429);
});

test("an unknown login costs as much time as a known one", async () => {
  // The processor's time, of all threads: neighbours on the machine have no part in it.
  const time = async (login: string, index: number) => {
    const start = process.cpuUsage();
    await attempt(login, "wrong", { from: `198.18.${index}.1` });
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  const known: number[] = [];
  const unknown: number[] = [];
  for (let round = 0; round < 12; round++) {
    known.push(await time(await freshUser(), round));
    unknown.push(await time(`unknown${round}`, 100 + round));
  }
  const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  const ratio = median(known) / median(unknown);
  expect(ratio).toBeGreaterThan(0.5);
  expect(ratio).toBeLessThan(2);
});

test("a failed login is recorded; the record names an account only where there is one", async () => {
  const login = await freshUser();
  await home.ask({
    url: "/auth",
    json: { tenant: "acme", login, password: "wrong" },
    from: "198.18.200.1",
    headers: { "x-request-id": "bad-1" },
  });
  const typo = "my password in the wrong field".replaceAll(" ", "-");
  await home.ask({
    url: "/auth",
    json: { tenant: "acme", login: typo, password: "x" },
    from: "198.18.200.2",
    headers: { "x-request-id": "bad-2" },
  });
  const records = await home.records(acme);
  const found = (id: string) => records.find(({ record }) => record.request === id);
  expect(found("bad-1")).toMatchObject({
    record: { type: "identity.login.failed" },
    private: { login, email: login, peer: "198.18.200.1" },
  });
  expect(found("bad-2")?.private).toEqual({ peer: "198.18.200.2", userAgent: "lightMyRequest" });
});

test("a hash of another kind is verified, and replaced at the next login", async () => {
  const login = await freshUser();
  const old = await hashPassword(PASSWORD, "Bcrypt");
  await home.db.superuser.query("UPDATE tenant_user SET password_hash = $2 WHERE email = $1", [login, old]);
  const hash = async () =>
    (
      await home.db.superuser.query<{ password_hash: string }>(
        "SELECT password_hash FROM tenant_user WHERE email = $1",
        [login],
      )
    )[0]?.password_hash;
  expect((await attempt(login, "wrong", { from: "198.18.201.1" })).statusCode).toBe(401);
  expect(await hash()).toBe(old);
  await home.logIn(acme, login);
  expect(await hash()).toMatch(/^\$argon2id\$/);
  await home.logIn(acme, login);
});

test("more logins than may wait are answered 503 with a delay, and all is well after", async () => {
  const small = await testIdentity({ hashingThreads: 1, hashingQueue: 2 });
  try {
    const tenant = await small.tenant("acme");
    await small.admin(tenant);
    const json = { tenant: "acme", login: "admin@example.org", password: PASSWORD };
    const answers = await Promise.all(Array.from({ length: 10 }, () => small.ask({ url: "/auth", json })));
    const overloaded = answers.filter(({ statusCode }) => statusCode === 503);
    expect(overloaded.length).toBeGreaterThanOrEqual(1);
    for (const answer of overloaded) {
      expect([answer.json().code, answer.headers["retry-after"]]).toEqual(["Overloaded", "1"]);
    }
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(10 - overloaded.length);
    await small.logIn(tenant, "admin@example.org");
  } finally {
    await small.stop();
  }
});
