import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createLogs } from "@heauth/program";
import type { Database } from "@heauth/store";
import { type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { Job } from "./job.ts";
import { JobLocks } from "./job-lock.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let store: TestDatabase;
let database: Database;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  store = await testDatabase();
  database = await store.database("heauth_operator");
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => store.drop());

function operator() {
  const locks = new JobLocks(database);
  let onRound = Promise.withResolvers<void>();
  let rounds = 0;
  const job = new Job({
    name: "seal",
    locks,
    log,
    intervalMs: 5,
    round: async () => {
      rounds++;
      onRound.resolve();
      return false;
    },
  });
  const stop = async () => {
    await job.stop();
    await locks.release();
  };
  stops.push(stop);
  return {
    job,
    locks,
    stop,
    rounds: () => rounds,
    nextRound: () => {
      onRound = Promise.withResolvers();
      return onRound.promise;
    },
  };
}

test("of two operators one runs the job, and the other takes over when it stops", async () => {
  const first = operator();
  const second = operator();
  const began = first.nextRound();
  await first.job.start();
  await began;
  expect(await second.locks.holds("seal")).toBe(false);
  expect(await second.locks.holds("deliver-alerts")).toBe(true);
  await second.job.start();
  await first.nextRound();
  expect(second.rounds()).toBe(0);
  const taken = second.nextRound();
  await first.stop();
  await taken;
  expect(await first.locks.holds("seal")).toBe(false);
});

test("who loses the connection loses the lock, and asks for it again", async () => {
  const first = operator();
  const began = first.nextRound();
  await first.job.start();
  await began;
  const [row] = await store.superuser.query<{ pid: number }>(
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  const rival = operator();
  await store.superuser.query("SELECT pg_terminate_backend($1)", [row?.pid]);
  await first.nextRound();
  await first.stop();
  // The server gives the lock back when it has seen the connection end.
  while (!(await rival.locks.holds("seal"))) await store.superuser.query("SELECT pg_sleep(0.005)");
  expect(await first.locks.holds("seal")).toBe(false);
});

describe("a holder that is silent", () => {
  /** More than a busy machine keeps a process waiting: who has a word to say is to be heard. */
  const SILENCE_MS = 1_000;
  const LONGER_MS = 3 * SILENCE_MS;

  test("because it is frozen loses its locks, and knows that when it goes on", async () => {
    const program = fileURLToPath(new URL("../testing/lock-holder.ts", import.meta.url));
    const args = ["--disable-warning=ExperimentalWarning", program, store.url, `${SILENCE_MS}`];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    stops.push(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const says = async () => (await lines.next()).value === "true";
    while (!(await says()));

    const rival = new JobLocks(database, { silenceMs: SILENCE_MS });
    stops.push(() => rival.release());
    // Alive, it keeps them, for longer than it may be silent.
    const aliveUntil = performance.now() + LONGER_MS;
    while (performance.now() < aliveUntil) {
      expect(await rival.holds("seal")).toBe(false);
      expect(await says()).toBe(true);
    }
    child.kill("SIGSTOP");
    const frozenAt = performance.now();
    while (!(await rival.holds("seal"))) await store.superuser.query("SELECT pg_sleep(0.01)");
    expect(performance.now() - frozenAt).toBeLessThan(SILENCE_MS + 2_000);
    child.kill("SIGCONT");
    const said = [await says()];
    while (said.at(-1)) said.push(await says());
    // What it had said before it was frozen may still come out of the pipe; from then on it holds nothing.
    for (let n = 0; n < 10; n++) expect(await says()).toBe(false);
    expect(await rival.holds("seal")).toBe(true);
  }, 60_000);

  test("does not lose them while it only has nothing to do", async () => {
    const locks = new JobLocks(database, { silenceMs: SILENCE_MS });
    const rival = new JobLocks(database, { silenceMs: SILENCE_MS });
    stops.push(
      () => locks.release(),
      () => rival.release(),
    );
    expect(await locks.holds("seal")).toBe(true);
    const until = performance.now() + LONGER_MS;
    while (performance.now() < until) expect(await rival.holds("seal")).toBe(false);
    expect(await locks.holds("seal")).toBe(true);
  }, 60_000);
});

test("a lock that is taken is told of, also when it is taken again after its connection was lost", async () => {
  const taken: string[] = [];
  const locks = new JobLocks(database, { onTaken: (job) => taken.push(job) });
  stops.push(() => locks.release());
  const rival = new JobLocks(database, { onTaken: (job) => taken.push(`rival's ${job}`) });
  stops.push(() => rival.release());
  for (let n = 0; n < 3; n++) expect(await locks.holds("seal")).toBe(true);
  expect(await rival.holds("seal")).toBe(false);
  expect(taken).toEqual(["seal"]);
  // pg_locks is the whole server's, which other tests use meanwhile.
  await store.superuser.query(
    `SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
      WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  while (!(await locks.holds("seal").catch(() => false)));
  expect(taken).toEqual(["seal", "seal"]);
});

test("a failed round is logged, and tried again", async () => {
  const locks = new JobLocks(database);
  let rounds = 0;
  const done = Promise.withResolvers<void>();
  const job = new Job({
    name: "close-blocks",
    locks,
    log,
    intervalMs: 5,
    round: async () => {
      rounds++;
      if (rounds === 1) throw new Error("once");
      done.resolve();
      return false;
    },
  });
  stops.push(async () => {
    await job.stop();
    await locks.release();
  });
  await job.start();
  await done.promise;
  expect(rounds).toBeGreaterThanOrEqual(2);
});

test("a stop during a round does not wait for the next one", async () => {
  const locks = new JobLocks(database);
  const inRound = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const job = new Job({
    name: "expire-sessions",
    locks,
    log,
    intervalMs: 3_600_000,
    round: async () => {
      inRound.resolve();
      await gate.promise;
      return false;
    },
  });
  await job.start();
  await inRound.promise;
  const stopped = job.stop();
  gate.resolve();
  await stopped;
  await locks.release();
});
