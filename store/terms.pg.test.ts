import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { Database } from "./database.ts";
import { fenced, takeTerm } from "./terms.ts";
import { insertTenant, type TestDatabase, testDatabase } from "./testing/index.ts";

let store: TestDatabase;
let operator: Database;
beforeAll(async () => {
  store = await testDatabase();
  operator = await store.database("heauth_operator");
});
afterAll(() => store.drop());

test("terms count up, each name's by itself", async () => {
  expect([await takeTerm(operator, "a"), await takeTerm(operator, "a"), await takeTerm(operator, "b")]).toEqual([
    1, 2, 1,
  ]);
});

test("taken at the same time, each is another", async () => {
  const terms = await Promise.all(Array.from({ length: 8 }, () => takeTerm(operator, "many")));
  expect(terms.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("whoever holds an earlier term neither reads nor writes; who holds the newest does", async () => {
  const tenant = await insertTenant(store.superuser, "acme");
  const old = fenced(operator, "led", await takeTerm(operator, "led"));
  const write = (database: Database) =>
    database.tenantTransaction(tenant, (tx) =>
      tx.query("UPDATE tenant SET updated_at = now() WHERE id = $1 RETURNING id", [tenant]),
    );
  expect(await write(old)).toEqual([{ id: tenant }]);
  const now = fenced(operator, "led", await takeTerm(operator, "led"));
  const over = { code: "Fenced", message: "term 1 of led is over" };
  await expect(write(old)).rejects.toMatchObject(over);
  await expect(old.transaction((tx) => tx.query("SELECT"))).rejects.toMatchObject(over);
  await expect(old.read((tx) => tx.query("SELECT"))).rejects.toMatchObject(over);
  expect(await write(now)).toEqual([{ id: tenant }]);
  expect(await now.read((tx) => tx.query("SELECT 1 AS one"))).toEqual([{ one: 1 }]);
});

test("the next term begins when what is being written under the last one is over, and seen", async () => {
  const tenant = await insertTenant(store.superuser, "slow");
  const first = fenced(operator, "slow", await takeTerm(operator, "slow"));
  const holds = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const writing = first.transaction(async (tx) => {
    await tx.query("UPDATE tenant SET reclaim_policy = 'Delete' WHERE id = $1", [tenant]);
    holds.resolve();
    await goOn.promise;
  });
  await holds.promise;
  const policy = () => operator.read((tx) => tx.query("SELECT reclaim_policy FROM tenant WHERE id = $1", [tenant]));
  // Which of the two hears of its own commit first is the network's choice; what the new holder sees is not.
  const taking = takeTerm(operator, "slow").then(async (term) => ({ term, sees: await policy() }));
  await store.someoneWaits();
  expect(await policy()).toEqual([{ reclaim_policy: "Retain" }]);
  goOn.resolve();
  expect(await taking).toEqual({ term: 2, sees: [{ reclaim_policy: "Delete" }] });
  await writing;
});

test("the next term does not wait for somebody who falls silent in the middle, and whose work is undone", async () => {
  const tenant = await insertTenant(store.superuser, "silent");
  const first = fenced(operator, "silent", await takeTerm(operator, "silent"), { silenceMs: 200 });
  const holds = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const writing = first.transaction(async (tx) => {
    await tx.query("UPDATE tenant SET reclaim_policy = 'Delete' WHERE id = $1", [tenant]);
    holds.resolve();
    await goOn.promise;
  });
  await holds.promise;
  expect(await takeTerm(operator, "silent")).toBe(2);
  goOn.resolve();
  await expect(writing).rejects.toMatchObject({ code: "StoreUnavailable" });
  const policy = "SELECT reclaim_policy FROM tenant WHERE id = $1";
  expect(await store.superuser.query(policy, [tenant])).toEqual([{ reclaim_policy: "Retain" }]);
});
