import { randomBytes } from "node:crypto";
import { defaultTenantSettings } from "@heauth/core/resources";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type Database, openDatabase } from "./database.ts";
import { LedgerWriter } from "./ledger/index.ts";
import { migrate } from "./migrate.ts";
import { createTenant, dropTenant, endTenant } from "./tenant-resources.ts";
import { logIn, loginUrl, makeUser, newSession, type TestDatabase, testDatabase, testKeys } from "./testing/index.ts";

const OWNER = `owner_${randomBytes(6).toString("hex")}`;
const keys = testKeys();

describe("in a database whose owner is no superuser, as in a managed PostgreSQL", () => {
  let server: TestDatabase;
  let store: TestDatabase;
  const opened: Database[] = [];
  const as = async (role: "heauth_operator" | "heauth_identity") => {
    const database = await openDatabase({ url: loginUrl(store.url, OWNER, OWNER), role, applicationName: "test" });
    opened.push(database);
    return database;
  };

  beforeAll(async () => {
    server = await testDatabase();
    store = await testDatabase({ migrated: false });
    await store.superuser.query(`CREATE ROLE ${OWNER} LOGIN CREATEROLE NOSUPERUSER PASSWORD '${OWNER}'`);
    // The run's other databases have made the roles.
    await store.superuser.query(
      `GRANT heauth_identity, heauth_hub, heauth_operator, heauth_auditor, heauth_recovery TO ${OWNER} WITH ADMIN OPTION`,
    );
    const [row] = await store.superuser.query<{ name: string }>("SELECT current_database() AS name");
    await store.superuser.query(`ALTER DATABASE ${row?.name} OWNER TO ${OWNER}`);
    await migrate(loginUrl(store.url, OWNER, OWNER));
  });
  afterAll(async () => {
    for (const database of opened) await database.stop();
    await store?.drop();
    await server?.superuser.query(`DROP ROLE IF EXISTS ${OWNER}`);
    await server?.drop();
  });

  async function lived(): Promise<string> {
    const [operator, identity] = [await as("heauth_operator"), await as("heauth_identity")];
    const id = uuidv7();
    await operator.tenantTransaction(id, (tx) =>
      createTenant(tx, {
        id,
        name: `t${id.slice(-8)}`,
        settings: { ...defaultTenantSettings("acme", ["shop"]), audit: { retentionDays: 1 } },
      }),
    );
    const recorder = new LedgerWriter({ program: "identity", programKey: keys.identity });
    await logIn(identity, recorder, newSession(keys, id, await makeUser(identity, id, "jo")));
    return id;
  }
  const count = async (table: string, id: string) =>
    (await store.superuser.query(`SELECT FROM ${table} WHERE tenant_id = $1`, [id])).length;

  test("a tenant that is to be deleted is", async () => {
    const id = await lived();
    const operator = await as("heauth_operator");
    expect([await count("segment", id), await count("session", id)]).toEqual([1, 1]);
    await operator.tenantTransaction(id, (tx) => endTenant(tx, id, "Delete"));
    await dropTenant(operator, id, 2);
    const tables = await store.superuser.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind = 'r'`,
    );
    for (const { name } of tables) expect([name, await count(name, id)]).toEqual([name, 0]);
    expect(await store.superuser.query("SELECT FROM tenant WHERE id = $1", [id])).toEqual([]);
  });

  test("what is known of persons and is old is erased", async () => {
    const id = await lived();
    const operator = await as("heauth_operator");
    const old = "now() - interval '3 days'";
    for (const sql of [
      `UPDATE segment SET created_at = ${old} WHERE tenant_id = $1`,
      "DELETE FROM active_block WHERE tenant_id = $1",
      `UPDATE session SET opened_at = ${old}, closed_at = ${old}, close_reason = 'Revoked', close_seq = 1, user_agent = 'x' WHERE tenant_id = $1`,
      `INSERT INTO log_entry (tenant_id, epoch, index, kind, journal_id, number, leaf)
       SELECT tenant_id, 0, 0, 'segment', journal_id, number, sha256('x') FROM segment WHERE tenant_id = $1`,
    ]) {
      await store.superuser.query(sql, [id]);
    }
    const erased = await operator.tenantTransaction(id, (tx) =>
      tx.query(
        `SELECT heauth.drop_private_parts($1, array_agg(journal_id), array_agg(number)) AS parts, heauth.forget_devices($1, 9) AS devices
           FROM segment WHERE tenant_id = $1`,
        [id],
      ),
    );
    expect(erased).toEqual([{ parts: 1, devices: 1 }]);
    const kept = "SELECT FROM segment_session WHERE tenant_id = $1 AND privates IS NOT NULL";
    expect(await store.superuser.query(kept, [id])).toEqual([]);
  });
});
