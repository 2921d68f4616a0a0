import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "./database.ts";
import { dropOldLoginAttempts, giveBackLoginAttempt, takeLoginAttempt } from "./login-failures.ts";
import { insertTenant, type TestDatabase, testDatabase } from "./testing/index.ts";

const rules = { failures: 10, windowMs: 900_000 };
let store: TestDatabase;
let identity: Database;
let operator: Database;
let tenant: string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  operator = await store.database("heauth_operator");
  tenant = await insertTenant(store.superuser, "acme");
});
afterAll(() => store.drop());

const counters = (subjects: string[]) => subjects.map((subject) => ({ subject, rules }));
const take = (...subjects: string[]) =>
  identity.tenantTransaction(tenant, (tx) => takeLoginAttempt(tx, tenant, counters(subjects)));
const giveBack = (...subjects: string[]) =>
  identity.tenantTransaction(tenant, (tx) => giveBackLoginAttempt(tx, tenant, counters(subjects)));
const failures = async (subject: string) => {
  const [row] = await store.superuser.query<{ failures: number }>(
    "SELECT failures FROM login_failure WHERE subject = $1",
    [subject],
  );
  return row?.failures;
};

describe("login attempts", () => {
  test("200 guesses at once get no more tries than the limit", async () => {
    const attempts = await Promise.all(
      Array.from({ length: 200 }, (_, index) => take("account:victim", `address:${index % 7}`)),
    );
    expect(attempts.filter(({ allowed }) => allowed)).toHaveLength(rules.failures);
    expect(await failures("account:victim")).toBe(rules.failures);
  });

  test("each refusal says until when, and counts nothing on any counter", async () => {
    const attempt = await take("account:victim", "address:fresh");
    expect(attempt).toEqual({ allowed: false, retryAt: expect.any(Number) });
    if (!attempt.allowed) expect(attempt.retryAt - Date.now()).toBeLessThanOrEqual(1000);
    expect(await failures("address:fresh")).toBe(0);
  });

  test("the delay ends, and the next failure doubles it", async () => {
    await store.superuser.query("UPDATE login_failure SET retry_at = now() WHERE subject = 'account:victim'");
    expect(await take("account:victim")).toEqual({ allowed: true });
    const refused = await take("account:victim");
    if (refused.allowed) throw new Error("allowed");
    expect(refused.retryAt - Date.now()).toBeGreaterThan(1000);
    expect(refused.retryAt - Date.now()).toBeLessThanOrEqual(2000);
  });

  test("a login that succeeds gives its attempt back, also on counters that many use", async () => {
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        await take(`account:${index}`, "address:office").then(async ({ allowed }) => {
          if (allowed) await giveBack(`account:${index}`, "address:office");
        });
      }),
    );
    expect(await failures("address:office")).toBe(0);
    expect(await take("account:jo", "address:office")).toEqual({ allowed: true });
  });

  test("counters lock in one order, whatever the order they are named in", async () => {
    const attempts = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        index % 2 ? take("account:x", "address:x") : take("address:x", "account:x"),
      ),
    );
    expect(attempts.every(({ allowed }) => allowed)).toBe(true);
  });

  test("each counter has its own limit, and the strictest one refuses", async () => {
    const both = [
      { subject: "account:strict", rules: { failures: 2, windowMs: 60_000 } },
      { subject: "address:lenient", rules },
    ];
    const attempt = () => identity.tenantTransaction(tenant, (tx) => takeLoginAttempt(tx, tenant, both));
    expect([await attempt(), await attempt(), await attempt()]).toMatchObject([
      { allowed: true },
      { allowed: true },
      { allowed: false },
    ]);
    expect(await failures("address:lenient")).toBe(2);
  });

  test("old counters are forgotten, those that still hold somebody back are not", async () => {
    await store.superuser.query(
      `UPDATE login_failure SET window_start = now() - interval '1 day',
         retry_at = CASE subject WHEN 'account:victim' THEN now() + interval '1 minute' ELSE now() - interval '1 day' END`,
    );
    await operator.transaction((tx) => dropOldLoginAttempts(tx, Date.now() - rules.windowMs));
    expect(await store.superuser.query("SELECT subject FROM login_failure")).toEqual([{ subject: "account:victim" }]);
  });
});
