import type { Tx } from "../transaction.ts";

export interface Table {
  readonly name: string;
  readonly ofTenant: boolean;
}

/** Every table of heauth's, as the database itself lists them. */
export async function tablesOf(superuser: Tx): Promise<Table[]> {
  return await superuser.query<Table>(
    `SELECT c.relname AS name,
            EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS "ofTenant"
       FROM pg_class c WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`,
  );
}

/** Something for a column that has to have something. */
const FILLER: Readonly<Record<string, string>> = {
  uuid: "gen_random_uuid()",
  text: "gen_random_uuid()::text",
  name: "gen_random_uuid()::text",
  bytea: "'\\x00'",
  jsonb: "'{}'",
  integer: "0",
  bigint: "0",
  smallint: "0",
  boolean: "false",
  "timestamp with time zone": "now()",
  "text[]": "'{}'",
  "integer[]": "'{}'",
};

/**
 * Puts a row of each of these tenants into every table that has rows of tenants, by what the catalog says of its columns: a table that is
 * made later has some too. Constraints are left out of it: the database is of no other use afterwards.
 */
export async function fillTables(superuser: Tx, tenantIds: readonly string[]): Promise<void> {
  const checks = await superuser.query<{ drop: string }>(
    `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop FROM pg_constraint
      WHERE connamespace = 'heauth'::regnamespace AND contype IN ('c', 'f')`,
  );
  for (const { drop } of checks) await superuser.query(drop);
  for (const { name } of (await tablesOf(superuser)).filter(({ ofTenant }) => ofTenant)) {
    const columns = await superuser.query<{ name: string; type: string }>(
      `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND attnotnull AND NOT attisdropped AND NOT atthasdef AND attidentity = ''
          AND attname <> 'tenant_id'`,
      [`heauth.${name}`],
    );
    const values = columns.map(({ name: column, type }) => {
      const value = FILLER[type];
      if (value === undefined) throw new Error(`${name}.${column}: nothing to fill a ${type} with`);
      return value;
    });
    const names = ["tenant_id", ...columns.map(({ name: column }) => column)].join(", ");
    for (const id of tenantIds) {
      const row = [`'${id}'`, ...values].join(", ");
      await superuser.query(`INSERT INTO heauth.${name} (${names}) VALUES (${row}) ON CONFLICT DO NOTHING`);
    }
  }
}
