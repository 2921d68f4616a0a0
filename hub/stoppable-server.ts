import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase, type ProgramRole } from "@heauth/store";
import { EmbeddedPostgres } from "@heauth/store/embedded";
import type { TestDatabase } from "@heauth/store/testing";

/** A PostgreSQL of a test's own, to be stopped and started. */
export interface StoppableServer extends Pick<TestDatabase, "database" | "superuser" | "drop"> {
  readonly postgres: EmbeddedPostgres;
  end(): Promise<void>;
}

export async function stoppableServer(): Promise<StoppableServer> {
  const folder = mkdtempSync(join(tmpdir(), "heauth-away-"));
  const postgres = new EmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    passwordFile: join(folder, "password"),
    durable: false,
  });
  await postgres.start();
  await migrate(postgres.url());
  const opened: Database[] = [];
  const database = async (role: ProgramRole | null) => {
    const limits = { connectTimeout: 20_000, statementTimeout: 2000 };
    const one = await openDatabase({ url: postgres.url(), role, applicationName: "test", ...limits });
    opened.push(one);
    return one;
  };
  const superuser = await database(null);
  return {
    postgres,
    database,
    superuser: { query: (sql, params) => superuser.transaction((tx) => tx.query(sql, params)) },
    drop: async () => void (await Promise.all(opened.map((one) => one.stop()))),
    async end() {
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
