import type { TestDatabase } from "@heauth/store/testing";

/** By table: where its rows are, and which transactions wrote them. Whatever is written changes it; locks do not. */
export type Footprint = Readonly<Record<string, string>>;

export async function footprint({ superuser }: TestDatabase): Promise<Footprint> {
  const tables = await superuser.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'heauth' ORDER BY 1",
  );
  const ofTable = ({ name }: { readonly name: string }) =>
    `SELECT '${name}' AS name, md5(coalesce(string_agg(concat_ws(' ', tableoid, ctid, xmin), ',' ORDER BY tableoid, ctid), '')) AS print
       FROM heauth.${name}`;
  const rows = await superuser.query<{ name: string; print: string }>(tables.map(ofTable).join(" UNION ALL "));
  return Object.fromEntries(rows.map(({ name, print }) => [name, print]));
}

/** Names of the tables that were written in between. */
export function writtenTables(before: Footprint, after: Footprint): string[] {
  return Object.keys(after).filter((name) => before[name] !== after[name]);
}

/** By table: how many rows were ever inserted, updated or deleted. What connections have just done is counted after some seconds. */
export async function tuplesWritten({ superuser }: TestDatabase): Promise<Readonly<Record<string, number>>> {
  const rows = await superuser.query<{ name: string; written: number }>(
    `SELECT relname AS name, (n_tup_ins + n_tup_upd + n_tup_del)::float8 AS written FROM pg_stat_user_tables
      WHERE schemaname = 'heauth' ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, written }) => [name, written]));
}
