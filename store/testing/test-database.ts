import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Database, openDatabase, type ProgramRole } from "../database.ts";
import type { Tx } from "../transaction.ts";
import { columnTypes } from "../values.ts";
import { databaseUrl } from "./database-url.ts";
import { TEMPLATE } from "./server.ts";

/** A fresh database with the newest schema, for one test file or one test. */
export type TestDatabase = {
  /** The superuser's connection string. */
  url: string;
  /** Opens it as a program does; ended by `drop`. */
  database(role: ProgramRole | null): Promise<Database>;
  /** Statements of the superuser, whom row level security does not bind. */
  superuser: Tx;
  /** Resolves when a connection to it waits for a lock that another one holds. */
  someoneWaits(): Promise<void>;
  /** Ends every connection and removes the database. */
  drop(): Promise<void>;
};

/**
 * Clones the run's template, or the one on a server of the test's own. Call `drop` when done, also after a failure (afterAll, afterEach).
 */
export async function testDatabase(
  options: { readonly migrated: boolean; readonly server?: string } = { migrated: true },
): Promise<TestDatabase> {
  const server = options.server ?? process.env["HEAUTH_TEST_POSTGRES"];
  if (!server)
    throw new Error("no PostgreSQL for the tests: run them through jest with this repository's configuration");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const template = options.migrated ? TEMPLATE : "template0";
  await onServer(server, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = databaseUrl(server, name);
  const opened: Database[] = [];
  const superuser = new pg.Pool({
    connectionString: url,
    max: 2,
    types: columnTypes,
    options: "-c search_path=heauth",
  });
  // Of connections that DROP DATABASE ends before they have ended themselves.
  superuser.on("error", () => {});
  return {
    url,
    superuser: {
      query: async <Row extends object>(sql: string, params: readonly unknown[] = []) =>
        (await superuser.query<Row & pg.QueryResultRow>(sql, [...params])).rows as Row[],
    },
    async database(role) {
      // How busy the machine is proves nothing.
      const database = await openDatabase({ url, role, applicationName: "test", connectTimeout: 20_000 });
      opened.push(database);
      return database;
    },
    async someoneWaits() {
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      while ((await superuser.query(waiting)).rowCount === 0) await superuser.query("SELECT pg_sleep(0.005)");
    },
    async drop() {
      await Promise.all([superuser.end(), ...opened.map((database) => database.stop().catch(() => {}))]);
      await onServer(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function onServer(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
