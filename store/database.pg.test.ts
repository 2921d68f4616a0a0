import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "./database.ts";
import { type TestDatabase, testDatabase } from "./testing/index.ts";

let store: TestDatabase;
let identity: Database;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
});
afterAll(() => store.drop());

describe("a database", () => {
  test("works as the program's role", async () => {
    const rows = await identity.transaction((tx) =>
      tx.query("SELECT current_user::text AS role, current_schema::text AS schema"),
    );
    expect(rows).toEqual([{ role: "heauth_identity", schema: "heauth" }]);
  });
});
