import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import pg from "pg";
import { toStoreError } from "./errors.ts";

/**
 * Brings the schema to the newest version. Programs that start at once wait for each other (advisory lock).
 *
 * @returns names of the migrations that were run
 * @throws StoreError `StoreUnavailable`
 */
export async function migrate(url: string): Promise<string[]> {
  return run(url, "up", Number.POSITIVE_INFINITY);
}

/** Programs wait for the schema that they need: they may see which migrations were run. */
const LET_PROGRAMS_SEE = `
  GRANT USAGE ON SCHEMA heauth_migrations TO heauth_identity, heauth_hub, heauth_operator;
  GRANT SELECT ON heauth_migrations.applied TO heauth_identity, heauth_hub, heauth_operator`;

/** Undoes the last `count` migrations, with the data that only they held. */
export async function migrateDown(url: string, count: number): Promise<string[]> {
  return run(url, "down", count);
}

async function run(url: string, direction: "up" | "down", count: number): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  try {
    await client.connect();
    const done = await runner({
      dbClient: client,
      dir: fileURLToPath(new URL("./migrations", import.meta.url)),
      direction,
      count,
      // Beside the schema, not in it: taking the first migration back drops the schema.
      migrationsSchema: "heauth_migrations",
      migrationsTable: "applied",
      createMigrationsSchema: true,
      advisoryLockMode: "wait",
      log: () => {},
    });
    if (direction === "up") await client.query(LET_PROGRAMS_SEE);
    return done.map(({ name }) => name);
  } catch (error) {
    throw toStoreError(error);
  } finally {
    await client.end();
  }
}

/** Creates the database unless it exists. `url` is of any database of the same server, and of a login that may create one. */
export async function ensureDatabase(url: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  try {
    await client.connect();
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  } catch (error) {
    throw toStoreError(error);
  } finally {
    await client.end();
  }
}
