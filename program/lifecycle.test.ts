import { expect, test } from "@jest/globals";
import { inOrder } from "./lifecycle.ts";
import { createLogs } from "./logs.ts";
import type { Part } from "./part.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const soon = () => AbortSignal.timeout(1_000);

function rig() {
  const events: string[] = [];
  const part = (name: string, changes: Partial<Part> = {}): Part => ({
    name,
    start: async () => void events.push(`start ${name}`),
    stop: async () => void events.push(`stop ${name}`),
    ...changes,
  });
  return { events, part };
}

test("parts start in order and stop in reverse", async () => {
  const { events, part } = rig();
  const whole = inOrder("whole", [part("a"), part("b"), part("c")], log);
  await whole.start();
  await whole.stop(soon());
  expect(events).toEqual(["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
});

test("when one cannot start, those before it are stopped and those after it never start", async () => {
  const { events, part } = rig();
  const failing = part("b", { start: () => Promise.reject(new Error("no")) });
  await expect(inOrder("whole", [part("a"), failing, part("c")], log).start()).rejects.toThrow("no");
  expect(events).toEqual(["start a", "stop a"]);
});

test("one that cannot stop does not keep the others from stopping", async () => {
  const { events, part } = rig();
  const failing = part("b", { stop: () => Promise.reject(new Error("no")) });
  const whole = inOrder("whole", [part("a"), failing], log);
  await whole.start();
  await expect(whole.stop(soon())).rejects.toThrow("1 of whole's parts");
  expect(events).toEqual(["start a", "start b", "stop a"]);
});

test("one that hangs is left behind after the deadline", async () => {
  const { events, part } = rig();
  const hanging = part("b", { stop: () => new Promise(() => {}) });
  const whole = inOrder("whole", [part("a"), hanging], log);
  await whole.start();
  await expect(whole.stop(AbortSignal.abort())).rejects.toThrow();
  expect(events.at(-1)).toBe("stop a");
});

test("a stop during the start ends the one that is starting and starts no more", async () => {
  const { events, part } = rig();
  const starting = Promise.withResolvers<void>();
  const slow = part("b", {
    start: () => starting.promise,
    stop: async () => {
      events.push("stop b");
      starting.reject(new Error("stopped"));
    },
  });
  const whole = inOrder("whole", [part("a"), slow, part("c")], log);
  const started = whole.start();
  started.catch(() => {});
  await Promise.resolve();
  await whole.stop(soon());
  await expect(started).rejects.toThrow();
  expect(events).toEqual(["start a", "stop b", "stop a"]);
});

test("a whole can be started again", async () => {
  const { events, part } = rig();
  const whole = inOrder("whole", [part("a")], log);
  for (let round = 0; round < 2; round++) {
    await whole.start();
    await whole.stop(soon());
  }
  expect(events).toEqual(["start a", "stop a", "start a", "stop a"]);
});
