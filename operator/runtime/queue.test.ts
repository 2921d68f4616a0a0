import { createMetrics } from "@heauth/program";
import { ClusterError } from "@heauth/program/kubernetes";
import { StoreError } from "@heauth/store";
import { afterEach, expect, jest, test } from "@jest/globals";
import { type QueueOptions, WorkQueue } from "./queue.ts";

let queue: WorkQueue | undefined;

afterEach(async () => {
  jest.useRealTimers();
  await queue?.stop();
});

function started(options: Partial<QueueOptions> & Pick<QueueOptions, "reconcile">): WorkQueue {
  queue = new WorkQueue({ onError: () => undefined, ...options });
  queue.start();
  return queue;
}

test("a key added many times while it waits is reconciled once", async () => {
  const seen: string[] = [];
  queue = new WorkQueue({
    onError: () => undefined,
    reconcile: async (key) => {
      seen.push(key);
      return undefined;
    },
  });
  for (let i = 0; i < 5; i++) queue.add("a");
  queue.add("b");
  expect(queue.depth).toBe(2);
  queue.start();
  await queue.stop();
  expect(seen).toEqual(["a", "b"]);
});

test("a key added while it runs runs once more, never twice at once", async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  let running = 0;
  let most = 0;
  const second = Promise.withResolvers<void>();
  const q = started({
    workers: 4,
    reconcile: async () => {
      running++;
      most = Math.max(most, running);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      if (gates.length === 2) second.resolve();
      await gate.promise;
      running--;
      return undefined;
    },
  });
  q.add("a");
  q.add("a");
  q.add("a");
  gates[0]?.resolve();
  await second.promise;
  gates[1]?.resolve();
  await q.stop();
  expect(gates).toHaveLength(2);
  expect(most).toBe(1);
});

test("failures back off exponentially, each key by itself, and success forgets them", async () => {
  jest.useFakeTimers();
  const delays: [string, number][] = [];
  let fail = true;
  const q = started({
    baseDelayMs: 100,
    maxDelayMs: 350,
    onError: (key, _error, delay) => delays.push([key, delay]),
    reconcile: async (key) => {
      if (key === "bad" && fail) throw new Error("no");
      return undefined;
    },
  });
  q.add("bad");
  q.add("good");
  await jest.advanceTimersByTimeAsync(100 + 200 + 350);
  expect(delays).toEqual([
    ["bad", 100],
    ["bad", 200],
    ["bad", 350],
    ["bad", 350],
  ]);
  fail = false;
  await jest.advanceTimersByTimeAsync(350);
  fail = true;
  q.add("bad");
  await jest.advanceTimersByTimeAsync(0);
  expect(delays.at(-1)).toEqual(["bad", 100]);
});

test("requeueAfter calls again, an add in the meantime comes first", async () => {
  jest.useFakeTimers();
  let calls = 0;
  const q = started({
    reconcile: async () => {
      calls++;
      return calls === 1 ? { requeueAfterMs: 1000 } : undefined;
    },
  });
  q.add("a");
  await jest.advanceTimersByTimeAsync(999);
  expect(calls).toBe(1);
  q.add("a");
  await jest.advanceTimersByTimeAsync(0);
  expect(calls).toBe(2);
  await jest.advanceTimersByTimeAsync(5000);
  expect(calls).toBe(2);
});

test("at most N workers run, and stop waits for them and starts no more", async () => {
  const gate = Promise.withResolvers<void>();
  let begun = 0;
  let ended = 0;
  const q = started({
    workers: 2,
    reconcile: async () => {
      begun++;
      await gate.promise;
      ended++;
      return undefined;
    },
  });
  for (const key of ["a", "b", "c"]) q.add(key);
  expect(begun).toBe(2);
  const stopped = q.stop();
  gate.resolve();
  await stopped;
  expect({ begun, ended }).toEqual({ begun: 2, ended: 2 });
});

test("what waited, and how often it had failed, is nothing to a later start", async () => {
  const [seen, delays]: [string[], number[]] = [[], []];
  const running = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let failed = Promise.withResolvers<void>();
  const q = started({
    workers: 1,
    baseDelayMs: 1_000,
    onError: (_key, _error, delayMs) => {
      delays.push(delayMs);
      failed.resolve();
    },
    reconcile: async (key) => {
      seen.push(key);
      running.resolve();
      await gate.promise;
      throw new Error("no");
    },
  });
  for (const key of ["a", "b"]) q.add(key);
  await running.promise;
  q.add("a");
  const stopped = q.stop();
  gate.resolve();
  await stopped;
  expect({ seen, depth: q.depth }).toEqual({ seen: ["a"], depth: 0 });
  failed = Promise.withResolvers();
  q.start();
  q.add("a");
  await failed.promise;
  await q.stop();
  expect({ seen, delays }).toEqual({ seen: ["a", "a"], delays: [1_000, 1_000] });
});

test("of several delays the earliest counts, and one beyond what timers can wait is no delay of zero", async () => {
  jest.useFakeTimers();
  let calls = 0;
  const q = started({
    reconcile: async () => {
      calls++;
      return undefined;
    },
  });
  q.addAfter("a", 40 * 24 * 3_600_000);
  q.addAfter("a", 1_000);
  q.addAfter("a", 5_000);
  await jest.advanceTimersByTimeAsync(999);
  expect(calls).toBe(0);
  await jest.advanceTimersByTimeAsync(1);
  expect(calls).toBe(1);
  await jest.advanceTimersByTimeAsync(10_000);
  expect(calls).toBe(1);
});

test.each([new ClusterError("Conflict", "changed"), new StoreError("Fenced", "another leads")])(
  "a conflict is tried again without a word, unless it does not end: $code",
  async (conflict) => {
    jest.useFakeTimers();
    const metrics = createMetrics();
    let calls = 0;
    const told: unknown[] = [];
    const q = started({
      baseDelayMs: 10,
      maxDelayMs: 10,
      measured: { metrics, name: "resources" },
      onError: (_key, error) => told.push(error),
      reconcile: async () => {
        calls++;
        throw conflict;
      },
    });
    q.add("a");
    await jest.advanceTimersByTimeAsync(70);
    expect({ calls, told }).toEqual({ calls: 8, told: [] });
    await jest.advanceTimersByTimeAsync(10);
    expect(told).toEqual([conflict]);
    jest.useRealTimers();
    const text = await metrics.text();
    expect(text).toContain('heauth_queue_retries_total{queue="resources",reason="conflict"} 9');
    expect(text).toContain('heauth_queue_depth{queue="resources"} 0');
    expect(text).toContain('heauth_reconcile_seconds_count{queue="resources"} 9');
  },
);
