import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { Coalescer } from "./coalescer.ts";

let told: string[];
let coalescer: Coalescer;
beforeEach(() => {
  jest.useFakeTimers();
  told = [];
  coalescer = new Coalescer(2_000, (key) => told.push(key));
});
afterEach(() => {
  coalescer.stop();
  jest.useRealTimers();
});

test("tells of the first at once, and of the others together, key by key", () => {
  for (let n = 0; n < 10; n++) coalescer.add("a");
  coalescer.add("b");
  expect(told).toEqual(["a", "b"]);
  jest.advanceTimersByTime(1_999);
  expect(told).toHaveLength(2);
  jest.advanceTimersByTime(1);
  expect(told).toEqual(["a", "b", "a"]);
  jest.advanceTimersByTime(10_000);
  expect(told).toHaveLength(3);
  coalescer.add("a");
  expect(told).toHaveLength(4);
});

test("whatever happens, no key is told of more often", () => {
  for (let ms = 0; ms < 10_000; ms += 10) {
    coalescer.add("a");
    jest.advanceTimersByTime(10);
  }
  expect(told.length).toBeLessThanOrEqual(6);
});

test("tells of nothing after the end", () => {
  coalescer.add("a");
  coalescer.add("a");
  coalescer.stop();
  jest.advanceTimersByTime(10_000);
  expect(told).toEqual(["a"]);
});
