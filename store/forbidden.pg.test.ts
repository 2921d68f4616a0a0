// What each program's login must not be able to do, tried. What there is comes from the catalog: what is added later is tried, too.
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { ProgramRole } from "./database.ts";
import { fillTables, type Table, tablesOf } from "./testing/catalog.ts";
import { insertTenant, type TestDatabase, testDatabase } from "./testing/index.ts";
import { type Ended, PROGRAM_ROLES, type RoleLogins, roleLogins } from "./testing/role-logins.ts";

const DENIED: Ended = { denied: "42501" };

/** Append-only: nobody's right. */
const LEDGER = [
  "checkpoint",
  "closed_block",
  "journal",
  "key_change",
  "log_entry",
  "recovery",
  "segment",
  "segment_session",
];
/** What changes while the ledger is written, and everything beside it. */
const WORKING = [
  "active_block",
  "alert",
  "alert_budget",
  "alert_delivery",
  "alert_run",
  "alert_window",
  "auditor",
  "journal_head",
  "late_record",
  "log_head",
  "login_failure",
  "outbox",
  "outbox_head",
  "policy",
  "policy_ack",
  "retention_mark",
  "retention_spared",
  "role",
  "seal_queue",
  "session",
  "session_key",
  "tag_key",
  "tenant",
  "tenant_user",
  "term",
  "user_role",
];

/** Who may read a secret. */
const SECRETS: Readonly<Record<string, readonly ProgramRole[]>> = {
  "session_key.key": ["heauth_identity"],
  "tenant.password_hash": ["heauth_identity"],
  "tenant_user.password_hash": ["heauth_identity"],
  // Checks tokens, and mints none.
  "tag_key.key": ["heauth_identity", "heauth_hub", "heauth_operator"],
};
/** Columns that are called like secrets and are none. */
const NO_SECRETS = [
  "alert.dedup_key",
  "alert_run.dedup_key",
  "alert_window.dedup_key",
  // Which of identity's it is.
  "session_key.server_secret",
];

const FORBIDDEN = [
  "CREATE TABLE heauth.x (y integer)",
  "CREATE TABLE public.x (y integer)",
  "CREATE TABLE heauth_migrations.x (y integer)",
  "CREATE VIEW heauth.x AS SELECT 1",
  "CREATE FUNCTION heauth.x() RETURNS integer LANGUAGE sql RETURN 1",
  "CREATE FUNCTION public.x() RETURNS integer LANGUAGE sql RETURN 1",
  "CREATE OR REPLACE FUNCTION heauth.current_tenant() RETURNS uuid LANGUAGE sql RETURN NULL",
  "CREATE SCHEMA x",
  "CREATE EXTENSION dblink",
  "CREATE ROLE x",
  "ALTER TABLE heauth.segment ADD COLUMN x integer",
  "ALTER TABLE heauth.segment DISABLE ROW LEVEL SECURITY",
  "ALTER TABLE heauth.segment NO FORCE ROW LEVEL SECURITY",
  "ALTER TABLE heauth.segment DISABLE TRIGGER ALL",
  "ALTER TABLE heauth.segment OWNER TO CURRENT_USER",
  "DROP TABLE heauth.segment CASCADE",
  "DROP FUNCTION heauth.current_tenant() CASCADE",
  "DROP SCHEMA heauth CASCADE",
  "CREATE POLICY x ON heauth.segment USING (true)",
  "DROP POLICY every_tenant ON heauth.segment",
  "CREATE TRIGGER x BEFORE INSERT ON heauth.segment EXECUTE FUNCTION suppress_redundant_updates_trigger()",
  "CREATE RULE x AS ON INSERT TO heauth.segment DO INSTEAD NOTHING",
  "CREATE INDEX ON heauth.segment (tenant_id)",
  "SET session_replication_role = replica",
  "SET row_security = off; SELECT FROM heauth.auditor",
  "ALTER ROLE CURRENT_USER SUPERUSER",
  "ALTER ROLE CURRENT_USER BYPASSRLS",
  "SET log_statement = 'none'",
  "GRANT heauth_operator TO CURRENT_USER",
  "SELECT pg_read_file('/etc/hostname')",
  "SELECT pg_read_binary_file('/etc/hostname')",
  "SELECT pg_ls_dir('/')",
  "SELECT lo_import('/etc/hostname')",
  "COPY (SELECT 1) TO PROGRAM 'true'",
  "COPY (SELECT 1) TO '/tmp/heauth-never-there'",
  "CREATE TEMP TABLE x (y text); COPY x FROM '/etc/hostname'",
  "CREATE TEMP TABLE x (y text); COPY x FROM PROGRAM 'true'",
  "SELECT rolpassword FROM pg_authid",
  "SELECT pg_reload_conf()",
  "INSERT INTO heauth_migrations.applied (name, run_on) VALUES ('x', now())",
  "DELETE FROM heauth_migrations.applied",
];

let store: TestDatabase;
let logins: RoleLogins;
let tables: Table[];
let acme: string;
let other: string;
beforeAll(async () => {
  store = await testDatabase();
  [acme, other] = [await insertTenant(store.superuser, "acme"), await insertTenant(store.superuser, "other")];
  await fillTables(store.superuser, [acme, other]);
  logins = await roleLogins(store);
  await store.superuser.query("INSERT INTO auditor VALUES ($1, $2)", [logins.of.heauth_auditor.login, acme]);
  tables = await tablesOf(store.superuser);
});
afterAll(async () => {
  await logins?.end();
  await store.drop();
});

/** Expects each to be denied to the role; tells all that were not. */
async function expectDenied(role: ProgramRole, statements: readonly string[], tenantId?: string): Promise<void> {
  const ended: [string, Ended][] = [];
  for (const sql of statements) ended.push([sql, await logins.of[role].attempt(sql, tenantId)]);
  expect(ended).toEqual(statements.map((sql) => [sql, DENIED]));
}

test("every table is known here: whether it is the ledger's, and nobody's to change", () => {
  expect(tables.map(({ name }) => name)).toEqual([...LEDGER, ...WORKING].toSorted());
});

describe.each(PROGRAM_ROLES)("the login of %s", (role) => {
  test("neither changes nor deletes nor empties what the ledger is made of", async () => {
    const changes = LEDGER.flatMap((table) => [
      // Without a look at what is there: that would take another right.
      `UPDATE ${table} SET tenant_id = '${acme}'`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table} CASCADE`,
      `MERGE INTO ${table} t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE`,
    ]);
    await expectDenied(role, changes, acme);
    const rights = await store.superuser.query(
      `SELECT t FROM unnest($2::text[]) t
        WHERE has_any_column_privilege($1, 'heauth.' || t, 'UPDATE') OR has_table_privilege($1, 'heauth.' || t, 'DELETE')`,
      [role, LEDGER],
    );
    expect(rights).toEqual([]);
  });

  test("empties nothing, and has no right to hang anything on a table", async () => {
    await expectDenied(
      role,
      tables.map(({ name }) => `TRUNCATE ${name} CASCADE`),
      acme,
    );
    const rights = await store.superuser.query(
      `SELECT c.relname, p.name FROM pg_class c, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN']) p (name)
        WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege($1, c.oid, p.name)`,
      [role],
    );
    expect(rights).toEqual([]);
  });

  test("makes, changes and drops nothing, and does not get out of the database", async () => {
    await expectDenied(role, FORBIDDEN);
  });

  test("becomes nobody else", async () => {
    const others = PROGRAM_ROLES.filter((each) => each !== role);
    const [superuser] = await store.superuser.query<{ name: string }>("SELECT current_user AS name");
    await expectDenied(role, [
      `SET SESSION AUTHORIZATION ${superuser?.name}`,
      ...[...others, superuser?.name, "pg_read_all_data", "pg_read_server_files"].map((each) => `SET ROLE ${each}`),
    ]);
    for (const each of others) expect(await logins.of[role].attemptAsItself(`SET ROLE ${each}`)).toEqual(DENIED);
  });

  test("reads those secrets that it needs, and no others", async () => {
    const read: string[] = [];
    for (const secret of Object.keys(SECRETS)) {
      const [table, column] = secret.split(".");
      const ended = await logins.of[role].attempt(`SELECT ${column} FROM ${table}`, acme);
      if ("rows" in ended) read.push(secret);
      else expect([secret, ended]).toEqual([secret, DENIED]);
      // Nor by asking what it is.
      if (!("rows" in ended)) {
        await expectDenied(role, [`SELECT FROM ${table} WHERE ${column} IS NOT NULL`, `SELECT * FROM ${table}`], acme);
      }
    }
    expect(read).toEqual(Object.keys(SECRETS).filter((secret) => SECRETS[secret]?.includes(role)));
  });

  test("calls no function with its owner's rights unless it is made for it", async () => {
    const functions = await store.superuser.query<{ call: string }>(
      `SELECT format('SELECT %s(%s)', p.oid::regproc, (SELECT string_agg(format('%L::%s', v.value, format_type(t, NULL)), ', ' ORDER BY n)
          FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n)
          JOIN (VALUES ('uuid', '${uuidv7()}'), ('integer', '1'), ('uuid[]', '{}'), ('bigint[]', '{}')) v (type, value)
            ON v.type = format_type(t, NULL))) AS call
         FROM pg_proc p WHERE p.pronamespace = 'heauth'::regnamespace AND p.prosecdef ORDER BY p.oid`,
    );
    expect(functions.length).toBeGreaterThan(4);
    for (const { call } of functions) {
      const ended = await logins.of[role].attempt(call, acme);
      expect([call, ended]).toEqual([call, role === "heauth_operator" ? { rows: 1 } : DENIED]);
    }
  });
});

test.each(PROGRAM_ROLES.filter((role) => role !== "heauth_auditor"))(
  "the login of %s may nothing before it becomes the role",
  async (role) => {
    for (const { name } of tables) {
      expect([name, await logins.of[role].attemptAsItself(`SELECT FROM heauth.${name}`)]).toEqual([name, DENIED]);
    }
  },
);

describe("of other tenants", () => {
  test.each(["heauth_identity", "heauth_auditor"] as const)(
    "%s sees, changes, deletes and makes no row, in no table",
    async (role) => {
      const own: string[] = [];
      const found: [string, Ended][] = [];
      for (const { name } of tables.filter(({ ofTenant }) => ofTenant)) {
        const seen = await logins.of[role].attempt(`SELECT FROM ${name}`, acme);
        if ("rows" in seen && seen.rows === 1) own.push(name);
        for (const sql of [
          `SELECT FROM ${name} WHERE tenant_id = '${other}'`,
          `UPDATE ${name} SET tenant_id = '${acme}' WHERE tenant_id = '${other}'`,
          `UPDATE ${name} SET tenant_id = '${other}'`,
          `DELETE FROM ${name} WHERE tenant_id = '${other}'`,
          `INSERT INTO ${name} (tenant_id) VALUES ('${other}')`,
        ]) {
          const ended = await logins.of[role].attempt(sql, acme);
          if ("denied" in ended ? ended.denied !== "42501" : ended.rows > 0) found.push([sql, ended]);
        }
        // Nor does the tenant that a program works for make the other's rows its own.
        const all = await logins.of[role].attempt(`SELECT FROM ${name}`);
        if ("rows" in all && role === "heauth_identity" && all.rows > 0) found.push([name, all]);
      }
      expect(found).toEqual([]);
      expect(own.length).toBeGreaterThan(10);
    },
  );

  test("each table's policies say so: its own tenant's rows, and all of them only for who works for all", async () => {
    const policies = await store.superuser.query<{ table: string; roles: string[]; using: string; check: string }>(
      `SELECT tablename AS table, roles::text[] AS roles, coalesce(qual, '') AS using, coalesce(with_check, '') AS check
         FROM pg_policies WHERE schemaname = 'heauth' AND tablename <> 'tenant'`,
    );
    const ofAll = ["heauth_hub", "heauth_operator", "heauth_recovery"];
    const wide = policies.filter(
      ({ roles, using, check }) =>
        !(roles.every((role) => ofAll.includes(role)) || /current_tenant|audited_tenant|login = /.test(using + check)),
    );
    expect(wide).toEqual([]);
  });

  test("who names no tenant, or one that is none, sees none", async () => {
    for (const tenantId of [undefined, uuidv7()]) {
      expect(await logins.of.heauth_identity.attempt("SELECT FROM session", tenantId)).toEqual({ rows: 0 });
    }
  });
});

describe("by the catalog", () => {
  test("no column that is called like a secret is unknown here", async () => {
    const columns = await store.superuser.query<{ name: string }>(
      `SELECT c.relname || '.' || a.attname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind IN ('r', 'p')
          AND a.attname ~ '(^|_)(key|secret|password|hash|token)(_|$)' AND a.atttypid IN ('text'::regtype, 'bytea'::regtype)
        ORDER BY 1`,
    );
    expect(columns.map(({ name }) => name).filter((name) => !NO_SECRETS.includes(name))).toEqual(
      Object.keys(SECRETS).toSorted(),
    );
  });

  test("functions with their owner's rights look names up where nobody else can put any; none is everybody's", async () => {
    const open = await store.superuser.query(
      `SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'heauth'::regnamespace AND (
         has_function_privilege('public', p.oid, 'EXECUTE')
         OR p.prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false))`,
    );
    expect(open).toEqual([]);
  });
});
