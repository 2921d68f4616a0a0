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
/** How many more tries the delays that have passed meanwhile give: after 1 s, after 2 s more, after 4 s more. */
const delaysSince = (start: number) => Math.floor(Math.log2((performance.now() - start) / 1000 + 1));
/** Lets delays that have begun go on, however slow the machine is. */
const prolongDelays = () =>
  store.superuser.query("UPDATE login_failure SET retry_at = now() + interval '1 h' WHERE retry_at > window_start");

describe("login attempts", () => {
  test("200 guesses at once get no more tries than the limit", async () => {
    const start = performance.now();
    const attempts = await Promise.all(
      Array.from({ length: 200 }, (_, index) => take("account:victim", `address:${index % 7}`)),
    );
    const { length: tries } = attempts.filter(({ allowed }) => allowed);
    expect(tries).toBeGreaterThanOrEqual(rules.failures);
    expect(tries).toBeLessThanOrEqual(rules.failures + delaysSince(start));
    expect(await failures("account:victim")).toBe(tries);
  });

  test("each refusal says until when, and counts nothing on any counter", async () => {
    await prolongDelays();
    const [victim] = await store.superuser.query<{ retry_at: number }>(
      "SELECT retry_at FROM login_failure WHERE subject = 'account:victim'",
    );
    const attempt = await take("account:victim", "address:fresh");
    expect(attempt).toEqual({ allowed: false, retryAt: (victim?.retry_at ?? 0) / 1000 });
    expect(await failures("address:fresh")).toBe(0);
  });

  test("the delay ends, and the next failure doubles it", async () => {
    // The 14th failure's delay was 16 s; the next one's outlasts a slow machine.
    await store.superuser.query(
      "UPDATE login_failure SET failures = 14, retry_at = now() WHERE subject = 'account:victim'",
    );
    const before = Date.now();
    expect(await take("account:victim")).toEqual({ allowed: true });
    const refused = await take("account:victim");
    if (refused.allowed) throw new Error("allowed");
    expect(refused.retryAt - before).toBeGreaterThan(16_000);
    expect(refused.retryAt - Date.now()).toBeLessThanOrEqual(32_000);
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
    expect([await attempt(), await attempt()]).toEqual([{ allowed: true }, { allowed: true }]);
    await prolongDelays();
    expect(await attempt()).toMatchObject({ allowed: false });
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
