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

/** By table: how many rows were written, also by what came to nothing. Statistics of PostgreSQL's own would be some seconds behind. */
export type RowCounts = Readonly<Record<string, number>>;

/** Counts rows that are inserted, updated or deleted from now on. @returns asks for the counts */
export async function countRowsWritten({ superuser }: TestDatabase): Promise<() => Promise<RowCounts>> {
  await superuser.query("CREATE SCHEMA written");
  await superuser.query(
    `CREATE FUNCTION written.count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
       AS $$ BEGIN PERFORM nextval(format('written.%I', tg_table_name)); RETURN NULL; END $$`,
  );
  await superuser.query(
    `DO $$ DECLARE name text; BEGIN
       FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'heauth' LOOP
         EXECUTE format('CREATE SEQUENCE written.%I', name);
         EXECUTE format('CREATE TRIGGER written AFTER INSERT OR UPDATE OR DELETE ON heauth.%I FOR EACH ROW EXECUTE FUNCTION written.count()', name);
       END LOOP;
     END $$`,
  );
  return async () => {
    const counts = await superuser.query<{ name: string; written: number }>(
      `SELECT sequencename AS name, coalesce(last_value, 0)::float8 AS written FROM pg_sequences
        WHERE schemaname = 'written' ORDER BY 1`,
    );
    return Object.fromEntries(counts.map(({ name, written }) => [name, written]));
  };
}
