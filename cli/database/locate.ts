import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { readConfig } from "@heauth/program";
import { EmbeddedPostgres, runningUrl } from "@heauth/store/embedded";
import * as z from "zod";
import { clusterSettings } from "../cluster/settings.ts";
import { CliError } from "../errors.ts";
import { type DataFolder, dataFolder } from "../standalone/folder.ts";

/** `--data DIR`, `--database URL`, or both. */
export interface Where {
  readonly data?: string | undefined;
  readonly database?: string | undefined;
}

/** A database that can be connected to, as long as it is not closed. */
export interface Located {
  readonly url: string;
  readonly folder: DataFolder | undefined;
  close(): Promise<void>;
}

const DATABASE = "heauth";
const variableNames = ["HEAUTH_DATABASE", "HEAUTH_DATABASE_FILE"];
const fromEnvironment = z.object({ database: clusterSettings.database });

/**
 * Finds the database: the one of `--database`, else the one that standalone uses in `--data`, else the one that the environment
 * names. Where standalone does not run, its embedded PostgreSQL is started for as long as it is needed.
 * @throws CliError InvalidOption
 */
export async function locateDatabase(
  { data, database }: Where,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Located> {
  const folder = data === undefined ? undefined : dataFolder(resolve(data));
  if (database !== undefined) return { url: database, folder, close: async () => {} };
  if (folder === undefined) return { url: databaseOf(environment), folder, close: async () => {} };
  const written = await readFile(folder.databaseUrl, "utf8").catch(() => undefined);
  if (written === undefined) {
    throw new CliError("InvalidOption", `--data: ${folder.root} is not a folder that \`heauth standalone\` has used`);
  }
  const embedded = { dataDir: folder.postgres, passwordFile: folder.postgresPassword };
  const running = await runningUrl(embedded, DATABASE);
  if (running !== undefined) return { url: running, folder, close: async () => {} };
  // Standalone with a database of its own writes that one's URL.
  if (!(await isEmbedded(folder))) return { url: written.trim(), folder, close: async () => {} };
  const postgres = new EmbeddedPostgres(embedded);
  await postgres.start();
  return { url: postgres.url(DATABASE), folder, close: () => postgres.stop() };
}

/** A URL with a password is better no flag, which others on the machine see. */
function databaseOf(environment: NodeJS.ProcessEnv): string {
  if (variableNames.some((name) => environment[name] !== undefined)) {
    return readConfig(fromEnvironment, { environment }).values.database;
  }
  throw new CliError(
    "InvalidOption",
    "give --data DIR, --database URL, or both; HEAUTH_DATABASE or HEAUTH_DATABASE_FILE=FILE instead of the URL",
  );
}

async function isEmbedded(folder: DataFolder): Promise<boolean> {
  return readFile(folder.postgresPassword).then(
    () => true,
    () => false,
  );
}
