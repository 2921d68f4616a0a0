import { expect, test } from "@jest/globals";
import { elapsedMs, instant, systemClock } from "./clock.ts";
import { createManualClock } from "./testing/index.ts";

test("elapsed is what both clocks say when they agree", () => {
  const clock = createManualClock();
  const since = instant(clock);
  clock.advance(250);
  expect(elapsedMs(clock, since)).toBe(250);
});

test("a wall clock that is set back does not make anything fresh", () => {
  const clock = createManualClock();
  const since = instant(clock);
  clock.advance(5_000);
  clock.setWall(since.wallMs - 60_000);
  expect(elapsedMs(clock, since)).toBe(5_000);
});

test("time in which the machine slept counts", () => {
  const clock = createManualClock();
  const since = instant(clock);
  clock.sleep(3_600_000);
  expect(elapsedMs(clock, since)).toBe(3_600_000);
});

test("microseconds are integers that follow the wall clock and do not go back within it", () => {
  let last = 0;
  for (let round = 0; round < 10_000; round++) {
    const now = systemClock.wallMicros();
    expect(Number.isSafeInteger(now)).toBe(true);
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
  const before = Date.now();
  const at = systemClock.wallMicros() / 1000;
  const after = Date.now();
  expect(at).toBeGreaterThan(before - 5);
  expect(at).toBeLessThan(after + 5);
});
