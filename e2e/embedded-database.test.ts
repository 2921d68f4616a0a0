import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogs } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createEmbeddedDatabase, type EmbeddedDatabase } from "heauth/parts";
import pg from "pg";

let folder: string;
let database: EmbeddedDatabase;
let again: PromiseWithResolvers<void>;

function create(): EmbeddedDatabase {
  again = Promise.withResolvers();
  return createEmbeddedDatabase({
    dataDir: join(folder, "postgres"),
    passwordFile: join(folder, "keys", "password"),
    urlFile: join(folder, "database.url"),
    database: "postgres",
    log: createLogs({ program: "e2e", level: "silent" }).log,
    restartAfterMs: 20,
    restarts: { add: () => again.resolve() },
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-db-"));
  database = create();
});
afterEach(async () => {
  await database.stop(AbortSignal.timeout(10_000));
  await rm(folder, { recursive: true, force: true });
}, 20_000);

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test("is PostgreSQL 18, durable, without TCP, and its URL is in a file of the owner's", async () => {
  await database.start();
  const file = join(folder, "database.url");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const url = (await readFile(file, "utf8")).trim();
  expect(url).toBe(database.url());
  const text =
    "select name, setting from pg_settings where name = any('{fsync,listen_addresses,server_encoding}') order by 1";
  expect(await query(url, text)).toEqual([
    { name: "fsync", setting: "on" },
    { name: "listen_addresses", setting: "" },
    { name: "server_encoding", setting: "UTF8" },
  ]);
  expect(await query(url, "show server_version_num")).toEqual([{ server_version_num: expect.stringMatching(/^18/) }]);
}, 30_000);

test("keeps what was committed over a stop and a start", async () => {
  await database.start();
  await query(database.url(), "create table kept as select 7 as value");
  await database.stop(AbortSignal.timeout(10_000));
  database = create();
  await database.start();
  expect(await query(database.url(), "select value from kept")).toEqual([{ value: 7 }]);
}, 30_000);

test("comes back with what was committed when it is killed", async () => {
  await database.start();
  await query(database.url(), "create table kept as select 7 as value");
  const url = database.url();
  const killed = database.pid() ?? 0;
  process.kill(killed, "SIGKILL");
  await again.promise;
  expect(database.pid()).not.toBe(killed);
  expect(await query(url, "select value from kept")).toEqual([{ value: 7 }]);
}, 30_000);

test("ends in time although a client holds a transaction open", async () => {
  await database.start();
  const client = new pg.Client({ connectionString: database.url() });
  client.on("error", () => {});
  await client.connect();
  await client.query("begin");
  await database.stop(AbortSignal.timeout(10_000));
  expect(database.pid()).toBeUndefined();
  await client.end().catch(() => {});
}, 30_000);
