import { createManualClock } from "@heauth/program/testing";
import { expect, test } from "@jest/globals";
import { Spread } from "./spread.ts";

test("a bundle is trusted once it has been the same everywhere for so long, by no wall clock", () => {
  const clock = createManualClock();
  const spread = new Spread(clock, 1_000);
  expect(spread.trusted()).toBeUndefined();
  spread.note("a");
  clock.advance(999);
  spread.note("a");
  clock.sleep(100_000);
  expect(spread.trusted()).toBeUndefined();
  clock.advance(1);
  expect(spread.trusted()).toBe("a");
  spread.note("b");
  expect(spread.trusted()).toBeUndefined();
  clock.advance(999);
  spread.note(undefined);
  spread.note("b");
  clock.advance(999);
  expect(spread.trusted()).toBeUndefined();
  clock.advance(1);
  expect(spread.trusted()).toBe("b");
});
