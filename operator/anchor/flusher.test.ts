import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { createFlusher, type Flusher } from "./flusher.ts";

const tenant = (id: string) => ({ id, name: id });
let written: string[];
let answer: (id: string) => number | undefined;
let flusher: Flusher;
const inTime = () => new AbortController().signal;

beforeEach(() => {
  jest.useFakeTimers();
  written = [];
  answer = () => undefined;
  flusher = createFlusher({
    everyMs: 30_000,
    nowMs: Date.now,
    flush: async ({ id }, note) => {
      written.push(`${id} ${note}`);
      return answer(id);
    },
  });
  flusher.start();
});
afterEach(async () => {
  await flusher.stop(AbortSignal.abort());
  jest.useRealTimers();
});

test("the first is written at once, what follows together after a while, each tenant by itself", async () => {
  flusher.put(tenant("a"), "1");
  flusher.put(tenant("b"), "1");
  await jest.advanceTimersByTimeAsync(0);
  expect(written).toEqual(["a 1", "b 1"]);
  flusher.put(tenant("a"), "2");
  flusher.put(tenant("a"), "3");
  await jest.advanceTimersByTimeAsync(29_000);
  expect(written).toHaveLength(2);
  // It waits for its turn.
  expect([flusher.size, flusher.overdue]).toEqual([1, 0]);
  await jest.advanceTimersByTimeAsync(2_000);
  expect(written).toEqual(["a 1", "b 1", "a 3"]);
  expect(flusher.size).toBe(0);
});

test("what is urgent is written at once, also soon after another", async () => {
  flusher.put(tenant("a"), "1");
  await jest.advanceTimersByTimeAsync(1_000);
  flusher.put(tenant("a"), "2", { urgent: true });
  await jest.advanceTimersByTimeAsync(0);
  expect(written).toEqual(["a 1", "a 2"]);
  flusher.put(tenant("a"), "3");
  flusher.put(tenant("a"), "4", { urgent: true });
  await jest.advanceTimersByTimeAsync(0);
  expect(written).toEqual(["a 1", "a 2", "a 4"]);
});

test("what is urgent does not disturb one that can't be written now", async () => {
  answer = () => 5_000;
  flusher.put(tenant("a"), "1");
  await jest.advanceTimersByTimeAsync(1_000);
  flusher.put(tenant("a"), "2", { urgent: true });
  expect(flusher.overdue).toBe(1);
  await jest.advanceTimersByTimeAsync(3_000);
  expect(written).toEqual(["a 1"]);
});

test("one that failed is tried again when it said, with what is newest then", async () => {
  answer = () => 5_000;
  flusher.put(tenant("a"), "1");
  await jest.advanceTimersByTimeAsync(4_000);
  flusher.put(tenant("a"), "2");
  expect(written).toEqual(["a 1"]);
  answer = () => undefined;
  await jest.advanceTimersByTimeAsync(2_000);
  expect(written).toEqual(["a 1", "a 2"]);
  expect(flusher.size).toBe(0);
});

test("not more than a few are under way at once, and all have their turn", async () => {
  const gate = Promise.withResolvers<undefined>();
  let running = 0;
  let most = 0;
  const many = createFlusher({
    everyMs: 1_000,
    nowMs: Date.now,
    flush: async () => {
      most = Math.max(most, ++running);
      await gate.promise;
      running--;
      return undefined;
    },
  });
  many.start();
  for (let n = 0; n < 100; n++) many.put(tenant(`t${n}`), "1");
  expect(running).toBe(8);
  gate.resolve(undefined);
  await jest.advanceTimersByTimeAsync(0);
  expect([most, many.size]).toEqual([8, 0]);
  await many.stop(inTime());
});

test("at the end everything is written, however lately it was; once, also where that fails", async () => {
  flusher.put(tenant("a"), "1");
  flusher.put(tenant("b"), "1");
  await jest.advanceTimersByTimeAsync(0);
  for (const id of ["a", "b", "c"]) flusher.put(tenant(id), "2");
  answer = (id) => (id === "b" ? 5_000 : undefined);
  expect(await flusher.stop(inTime())).toBe(1);
  expect(written.slice(2).sort()).toEqual(["a 2", "b 2", "c 2"]);
});

test("what is taken back is not written", async () => {
  flusher.put(tenant("a"), "1");
  await jest.advanceTimersByTimeAsync(0);
  flusher.put(tenant("a"), "2");
  flusher.drop("a");
  expect(await flusher.stop(inTime())).toBe(0);
  expect(written).toEqual(["a 1"]);
});

test("an end does not wait for what does not answer", async () => {
  const hanging = createFlusher({ everyMs: 1_000, nowMs: Date.now, flush: () => new Promise(() => {}) });
  hanging.start();
  for (let n = 0; n < 20; n++) hanging.put(tenant(`t${n}`), "1");
  const deadline = new AbortController();
  const stopped = hanging.stop(deadline.signal);
  deadline.abort();
  expect(await stopped).toBe(20);
});
