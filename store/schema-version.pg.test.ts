import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { openDatabase } from "./database.ts";
import { migrate, migrateDown } from "./migrate.ts";
import { SCHEMA_VERSION, schemaState } from "./schema-version.ts";
import { loginUrl, type TestDatabase, testDatabase } from "./testing/index.ts";

let store: TestDatabase;
afterEach(() => store.drop());

const note = (name: string) =>
  store.superuser.query("INSERT INTO heauth_migrations.applied (name, run_on) VALUES ($1, now())", [name]);

test("a database that was never migrated says so", async () => {
  store = await testDatabase({ migrated: false });
  expect(await schemaState(store.superuser)).toMatchObject({ fits: false, why: expect.stringMatching(/no schema/) });
});

describe("a migrated database", () => {
  beforeEach(async () => {
    store = await testDatabase();
  });

  test("fits, and every program may see that", async () => {
    for (const role of ["heauth_operator", "heauth_hub", "heauth_identity"] as const) {
      const database = await store.database(role);
      expect(await database.transaction(schemaState)).toEqual({ fits: true, version: SCHEMA_VERSION });
    }
  });

  test("is too old until its last migration is run", async () => {
    await migrateDown(store.url, 1);
    expect(await schemaState(store.superuser)).toMatchObject({
      fits: false,
      version: expect.any(Number),
      why: expect.stringMatching(/heauth migrate/),
    });
    await migrate(store.url);
    expect(await schemaState(store.superuser)).toMatchObject({ fits: true });
  });

  test("still fits when a newer program has extended it, and no more when one took away what this one uses", async () => {
    await note(`${SCHEMA_VERSION + 1}_more`);
    expect(await schemaState(store.superuser)).toEqual({ fits: true, version: SCHEMA_VERSION + 1 });
    await note(`${SCHEMA_VERSION + 2}_less.needs-${SCHEMA_VERSION}`);
    expect(await schemaState(store.superuser)).toEqual({ fits: true, version: SCHEMA_VERSION + 2 });
    await note(`${SCHEMA_VERSION + 3}_less.needs-${SCHEMA_VERSION + 1}`);
    expect(await schemaState(store.superuser)).toMatchObject({
      fits: false,
      why: expect.stringMatching(/this one knows/),
    });
  });

  test("can be worked with by a login that is a member of a program's role, and of nothing else", async () => {
    const login = `login_${store.url.slice(-8)}`;
    await store.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD 'x' NOINHERIT IN ROLE heauth_operator`);
    const url = loginUrl(store.url, login, "x");
    try {
      const database = await openDatabase({ url, role: "heauth_operator", applicationName: "test" });
      expect(await database.transaction(schemaState)).toMatchObject({ fits: true });
      expect(await database.read((tx) => tx.query("SELECT current_user, session_user"))).toEqual([
        { current_user: "heauth_operator", session_user: login },
      ]);
      await database.stop();
      const hub = openDatabase({ url, role: "heauth_hub", applicationName: "test" });
      await expect(hub).rejects.toMatchObject({ code: "42501" });
      const client = new pg.Client(url);
      await client.connect();
      await expect(client.query("SELECT FROM heauth.tenant")).rejects.toMatchObject({ code: "42501" });
      await client.end();
    } finally {
      await store.superuser.query(`DROP ROLE ${login}`);
    }
  });
});
