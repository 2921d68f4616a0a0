import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ensureDatabase, migrate, migrateDown } from "./migrate.ts";
import { type TestDatabase, testDatabase } from "./testing/index.ts";

const ALL = [
  "001_tenants_users_sessions",
  "002_ledger",
  "003_rights",
  "004_auditors_views",
  "005_operator",
  "006_recovery_retention",
  "007_journal_owners",
  "008_lost_journals",
  "009_raised_alerts",
];
let store: TestDatabase;
beforeAll(async () => {
  store = await testDatabase({ migrated: false });
});
afterAll(() => store.drop());

/** Everything in the schema that a migration can leave behind. */
function shape() {
  return store.superuser.query(`
    SELECT 'column' AS kind, table_name AS name, column_name || ' ' || data_type || ' ' || is_nullable AS detail
      FROM information_schema.columns WHERE table_schema = 'heauth'
    UNION ALL SELECT 'policy', tablename, policyname || coalesce(qual, '') FROM pg_policies WHERE schemaname = 'heauth'
    UNION ALL SELECT 'grant', table_name, grantee || privilege_type FROM information_schema.role_table_grants
      WHERE table_schema = 'heauth'
    UNION ALL SELECT 'grant', table_name, column_name || grantee || privilege_type FROM information_schema.column_privileges
      WHERE table_schema = 'heauth'
    UNION ALL SELECT 'function', proname, coalesce(proacl::text, '') FROM pg_proc WHERE pronamespace = 'heauth'::regnamespace
    UNION ALL SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname = 'heauth'
    UNION ALL SELECT 'security', relname, relrowsecurity || ' ' || relforcerowsecurity FROM pg_class
      WHERE relnamespace = 'heauth'::regnamespace AND relkind = 'r'
    ORDER BY 1, 2, 3`);
}

describe("migrations", () => {
  test("run up, are not run again, and wait for each other", async () => {
    const runs = await Promise.all([migrate(store.url), migrate(store.url)]);
    expect(runs.toSorted((a, b) => b.length - a.length)).toEqual([ALL, []]);
    expect(await migrate(store.url)).toEqual([]);
  });

  test("go down and up again one by one, on a database with data, and leave the same schema and the data that is older", async () => {
    await store.superuser.query(`
      INSERT INTO tenant (id, name, managed_by, settings) VALUES ('00000000-0000-7000-8000-000000000001', 'acme', 'Resource', '{}')`);
    await store.superuser.query(`
      INSERT INTO tenant_user (tenant_id, id, login, email, subject, password_hash)
      VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'jo', 'jo@acme.test', 'jo', 'x')`);
    await store.superuser.query(`
      INSERT INTO journal (tenant_id, id, registration, possession, countersignature, program)
      VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000003', '', '', '', 'identity')`);
    const before = await shape();
    for (let count = 1; count < ALL.length; count++) {
      expect(await migrateDown(store.url, count)).toEqual(ALL.slice(-count).toReversed());
      expect(await migrate(store.url)).toEqual(ALL.slice(-count));
      expect(await shape()).toEqual(before);
      expect(await store.superuser.query("SELECT login FROM tenant_user")).toEqual([{ login: "jo" }]);
    }
    expect(await migrateDown(store.url, ALL.length)).toEqual(ALL.toReversed());
    expect(await store.superuser.query("SELECT FROM pg_namespace WHERE nspname = 'heauth'")).toEqual([]);
    expect(await migrate(store.url)).toEqual(ALL);
    expect(await shape()).toEqual(before);
  });

  test("alerts from before it is noted when they are raised are no news, those that come after it are", async () => {
    const tenant = "00000000-0000-7000-8000-00000000000a";
    const add = (id: string) =>
      store.superuser.query(
        `INSERT INTO alert (tenant_id, id, reason, dedup_key, details, first_at, last_at)
         VALUES ('${tenant}', '00000000-0000-7000-8000-00000000000${id}', 'BadSignature', '${id}', '{}', now(), now())`,
      );
    await migrateDown(store.url, ALL.length - ALL.indexOf("009_raised_alerts"));
    await store.superuser.query(
      `INSERT INTO tenant (id, name, managed_by, settings) VALUES ('${tenant}', 'news', 'Resource', '{}')`,
    );
    await add("1");
    await migrate(store.url);
    await add("2");
    const lately = "SELECT dedup_key FROM alert WHERE raised_at > now() - interval '1 hour'";
    expect(await store.superuser.query(lately)).toEqual([{ dedup_key: "2" }]);
  });

  test("a database is made only where it is missing", async () => {
    const name = `made_${process.pid}`;
    await ensureDatabase(store.url, name);
    await ensureDatabase(store.url, name);
    expect(await store.superuser.query("SELECT datname FROM pg_database WHERE datname = $1", [name])).toHaveLength(1);
    await store.superuser.query(`DROP DATABASE ${name}`);
  });

  test("a server that is away is an error of its own", async () => {
    await expect(migrate("postgresql://nobody@127.0.0.1:1/x")).rejects.toMatchObject({ code: "StoreUnavailable" });
  });
});
