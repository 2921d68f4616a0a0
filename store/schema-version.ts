import { readdirSync } from "node:fs";
import type { Tx } from "./transaction.ts";

/**
 * A migration that takes away what older programs use says in its name which ones still work: those that know of the migration with
 * this number, `014_drop_old_columns.needs-012.sql`. All others leave older programs working.
 */
const NEEDS = /\.needs-(?<number>\d+)(\.sql)?$/;

/** Number of the newest migration that this program knows. */
export const SCHEMA_VERSION = Math.max(...readdirSync(new URL("./migrations", import.meta.url)).map(numberOf));

/** Whether the schema is one that this program works with; if not, why not. */
export type SchemaState =
  | { readonly fits: true; readonly version: number }
  | { readonly fits: false; readonly version: number | undefined; readonly why: string };

/** By the catalogs, which everybody may read: a statement that fails would fail the whole transaction. */
const IS_THERE = `
  SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'heauth_migrations' AND c.relname = 'applied'
     AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`;

/** Looks at which migrations have been run on the database. Any of the programs' roles may. */
export async function schemaState(tx: Tx): Promise<SchemaState> {
  if ((await tx.query(IS_THERE)).length === 0) {
    return { fits: false, version: undefined, why: "the database has no schema of heauth's yet: run `heauth migrate`" };
  }
  const rows = await tx.query<{ name: string }>("SELECT name FROM heauth_migrations.applied ORDER BY id");
  return judge(rows.map(({ name }) => name));
}

function judge(applied: readonly string[]): SchemaState {
  const version = Math.max(0, ...applied.map(numberOf));
  if (version < SCHEMA_VERSION) {
    const why = `the schema is at version ${version}, and ${SCHEMA_VERSION} is needed: run this version's \`heauth migrate\``;
    return { fits: false, version, why };
  }
  const needed = Math.max(0, ...applied.map((name) => Number(NEEDS.exec(name)?.groups?.["number"] ?? 0)));
  if (needed <= SCHEMA_VERSION) return { fits: true, version };
  const why = `the schema is at version ${version}, which needs programs that know ${needed}: this one knows ${SCHEMA_VERSION}`;
  return { fits: false, version, why };
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10) || 0;
}
