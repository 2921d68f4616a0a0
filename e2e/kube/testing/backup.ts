import { randomBytes } from "node:crypto";
import { databaseUrl, type TestDatabase } from "@heauth/store/testing";
import { query } from "../../faults/records.ts";

/** A database as it was at a moment. */
export interface Backup {
  /** The database is what it was then. Connections to it break; whoever uses it has to connect again. */
  restore(): Promise<void>;
  /** It is of no use any more. */
  drop(): Promise<void>;
}

/** Copies a database. Its users are shut out for as long as that takes, some tenths of a second. */
export async function takeBackup({ url }: TestDatabase): Promise<Backup> {
  const server = databaseUrl(url, "postgres");
  const [found] = await query<{ name: string }>(url, "SELECT current_database() AS name");
  const name = found?.name;
  const copy = `backup_${randomBytes(8).toString("hex")}`;
  const close = `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`;
  const end = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '${name}'`;
  await query(server, close);
  try {
    await query(server, end);
    await query(server, `CREATE DATABASE ${copy} TEMPLATE ${name}`);
  } finally {
    await query(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  }
  return {
    async restore() {
      await query(server, `DROP DATABASE ${name} WITH (FORCE)`);
      await query(server, `CREATE DATABASE ${name} TEMPLATE ${copy}`);
    },
    async drop() {
      await query(server, `DROP DATABASE IF EXISTS ${copy}`);
    },
  };
}
