import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { EmbeddedPostgres, endLeftover, wasAbandoned } from "../embedded/index.ts";
import { migrate } from "../migrate.ts";
import { databaseUrl } from "./database-url.ts";

const PREFIX = "heauth-jest-";
export const TEMPLATE = "heauth_template";

/** A PostgreSQL for one run of tests, without fsync, with a migrated template to clone. */
export type TestServer = { url: string; stop(): Promise<void> };

/** Uses the server of `HEAUTH_TEST_DATABASE_URL` when it is set (another version, say), else starts one of its own. */
export async function startTestServer(): Promise<TestServer> {
  const given = process.env["HEAUTH_TEST_DATABASE_URL"];
  if (given) {
    await makeTemplate(given);
    return { url: given, stop: async () => {} };
  }
  await endCrashedRuns();
  return await startOwnServer();
}

/** A PostgreSQL of one's own, to be stopped and started in a test: `postgres` keeps its address and what is in it. */
export type OwnServer = TestServer & { readonly postgres: EmbeddedPostgres };

export async function startOwnServer(): Promise<OwnServer> {
  const folder = await mkdtemp(join(tmpdir(), PREFIX));
  const postgres = new EmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    passwordFile: join(folder, "password"),
    durable: false,
    settings: { max_connections: "200", shared_buffers: "64MB" },
  });
  const stop = async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await postgres.start();
    await makeTemplate(postgres.url());
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: postgres.url(), postgres, stop };
}

async function makeTemplate(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(`DROP DATABASE IF EXISTS ${TEMPLATE}`);
    await client.query(`CREATE DATABASE ${TEMPLATE}`);
    await migrate(databaseUrl(url, TEMPLATE));
  } finally {
    await client.end();
  }
}

/** Test runs that were killed could not end their server. One that is only just starting has no note of its owner yet. */
async function endCrashedRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(tmpdir(), name);
    if (!(await wasAbandoned(join(folder, "postgres")))) continue;
    await endLeftover(join(folder, "postgres"));
    await rm(folder, { recursive: true, force: true });
  }
}
