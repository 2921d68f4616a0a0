import { expect, test } from "@jest/globals";
import { createManualClock } from "./testing/index.ts";
import { createUuidv7, isUuid, uuidv7 } from "./uuid.ts";

const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("has version 7, the right variant, and the time in its first 48 bits", () => {
  const clock = createManualClock(Date.UTC(2026, 10, 20));
  const id = createUuidv7(clock)();
  expect(id).toMatch(V7);
  expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(clock.wallMs());
});

test("sorts in the order of making, within one millisecond, past the counter's end and when the clock is set back", () => {
  const clock = createManualClock();
  const next = createUuidv7(clock);
  const ids = Array.from({ length: 10_000 }, (_, index) => {
    if (index === 5_000) clock.setWall(clock.wallMs() - 1_000);
    if (index === 8_000) clock.advance(5_000);
    return next();
  });
  expect(ids).toEqual([...ids].sort());
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(V7);
});

test("two makers at the same moment do not meet", () => {
  const ids = new Set(Array.from({ length: 1_000 }, () => uuidv7()));
  for (let round = 0; round < 1_000; round++) ids.add(createUuidv7()());
  expect(ids.size).toBe(2_000);
});

test.each([
  ["", false],
  ["0192F0C1-0000-7000-8000-000000000001", false],
  ["{0192f0c1-0000-7000-8000-000000000001}", false],
  ["0192f0c10000700080000000000000001", false],
  ["0192f0c1-0000-7000-8000-000000000001\n", false],
  ["0192f0c1-0000-7000-8000-000000000001", true],
])("%j is a UUID: %p", (text, is) => {
  expect(isUuid(text)).toBe(is);
});
