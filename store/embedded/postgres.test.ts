import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Client } from "pg";
import { EmbeddedPostgres, runningUrl } from "./index.ts";
import { isAlive } from "./processes.ts";

const MODULE = fileURLToPath(new URL("./index.ts", import.meta.url));
let folder: string;
let started: EmbeddedPostgres[];

beforeEach(async () => {
  // mkdtemp makes it 0700: the server's account cannot enter it.
  folder = await mkdtemp(join(tmpdir(), "heauth-embedded-test-"));
  started = [];
});
afterEach(async () => {
  for (const postgres of started) await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

function cluster(dataDir = join(folder, "postgres"), options = {}): EmbeddedPostgres {
  const postgres = new EmbeddedPostgres({
    dataDir,
    passwordFile: join(folder, "password"),
    durable: false,
    ...options,
  });
  started.push(postgres);
  return postgres;
}

async function ask<T>(url: string, sql: string): Promise<T[]> {
  const client = new Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows as T[];
  } finally {
    await client.end();
  }
}

describe("an embedded PostgreSQL", () => {
  test("keeps its data and its connection string across a restart, below a folder that its account cannot enter", async () => {
    const postgres = cluster();
    await postgres.start();
    const url = postgres.url();
    await ask(url, "CREATE TABLE kept AS SELECT 1 AS it");
    await postgres.stop();
    await postgres.start();
    expect(postgres.url()).toBe(url);
    expect(await ask(url, "SELECT it FROM kept")).toEqual([{ it: 1 }]);
    expect(await ask(url, "SHOW listen_addresses")).toEqual([{ listen_addresses: "" }]);
  }, 120_000);

  test("lets nobody in without the password, which only its owner can read", async () => {
    const postgres = cluster();
    await postgres.start();
    const password = (await readFile(join(folder, "password"), "utf8")).trim();
    expect((await stat(join(folder, "password"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "postgres"))).mode & 0o777).toBe(0o700);
    await expect(ask(postgres.url().replace(password, "guess"), "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
    expect(
      await ask(
        postgres.url(),
        "SELECT count(*)::int AS open FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'",
      ),
    ).toEqual([{ open: 0 }]);
  }, 120_000);

  test("syncs to disk unless told otherwise", async () => {
    const postgres = cluster(undefined, { durable: true });
    await postgres.start();
    expect(
      await ask(
        postgres.url(),
        "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS sync",
      ),
    ).toEqual([{ fsync: "on", sync: "on" }]);
  }, 120_000);

  test("works where the path is too long for a socket", async () => {
    const deep = join(folder, "d".repeat(60), "d".repeat(60));
    await mkdir(deep, { recursive: true });
    const postgres = cluster(join(deep, "postgres"));
    await postgres.start();
    const url = postgres.url();
    expect(await ask(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await postgres.stop();
    await postgres.start();
    expect(postgres.url()).toBe(url);
    expect(await ask(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  }, 120_000);

  test("is not started twice, and tells others where it runs", async () => {
    const options = { dataDir: join(folder, "postgres"), passwordFile: join(folder, "password") };
    expect(await runningUrl(options)).toBeUndefined();
    const postgres = cluster();
    await postgres.start();
    expect(await runningUrl(options)).toBe(postgres.url());
    const second = cluster();
    await expect(second.start()).rejects.toMatchObject({ code: "InUse" });
    await second.stop();
    expect(await runningUrl(options)).toBe(postgres.url());
    expect(await ask(postgres.url(), "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await postgres.stop();
    expect(await runningUrl(options)).toBeUndefined();
  }, 120_000);

  test("does not outlive a killed process, and goes on with its data", async () => {
    const script = `
      const { EmbeddedPostgres } = await import(process.argv[1]);
      const postgres = new EmbeddedPostgres({ dataDir: process.argv[2], passwordFile: process.argv[3], durable: false });
      await postgres.start();
      console.log(postgres.pid);
      setInterval(() => {}, 1000);`;
    const owner = spawn(
      process.execPath,
      ["--input-type=module", "-e", script, MODULE, join(folder, "postgres"), join(folder, "password")],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const [line] = (await once(createInterface({ input: owner.stdout }), "line")) as [string];
    const orphan = Number(line);
    owner.kill("SIGKILL");
    await once(owner, "exit");

    const postgres = cluster();
    await postgres.start();
    expect(postgres.pid).not.toBe(orphan);
    expect(await ask(postgres.url(), "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(isAlive(orphan)).toBe(false);
  }, 120_000);

  test("tells when the server ends by itself", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const postgres = cluster(undefined, { onExit: resolve });
    await postgres.start();
    process.kill(postgres.pid ?? 0, "SIGQUIT");
    expect(await promise).toBe("0");
    expect(postgres.pid).toBeUndefined();
  }, 120_000);

  test("says why it could not start", async () => {
    await expect(cluster(undefined, { settings: { shared_buffers: "nonsense" } }).start()).rejects.toMatchObject({
      code: "StartFailed",
      message: expect.stringContaining("shared_buffers"),
    });
  }, 120_000);
});
