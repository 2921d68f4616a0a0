import { expect, test } from "@jest/globals";
import { giveBackAttempt, type LockoutState, takeAttempt } from "./lockout.ts";

const rules = { failures: 3, windowMs: 60_000 };

/** Guesses at the given times; for each whether it got through, and the state after. */
function guess(times: readonly number[]): { through: boolean[]; state: LockoutState | undefined } {
  let state: LockoutState | undefined;
  const through = times.map((nowMs) => {
    const attempt = takeAttempt(state, rules, nowMs);
    if (attempt.allowed) state = attempt.state;
    return attempt.allowed;
  });
  return { through, state };
}

test("of any number of guesses at one moment, no more get through than the rules allow", () => {
  const { through } = guess(Array<number>(200).fill(5));
  expect(through.filter((each) => each)).toHaveLength(rules.failures);
});

test("each further failure doubles the delay, up to the window, and no refused guess prolongs it", () => {
  let state: LockoutState | undefined;
  let nowMs = 0;
  const delays: number[] = [];
  for (let failure = 1; failure <= 12; failure++) {
    const attempt = takeAttempt(state, rules, nowMs);
    if (!attempt.allowed) throw new Error("the delay is over");
    state = attempt.state;
    delays.push(state.retryAtMs - nowMs);
    if (state.retryAtMs > nowMs) expect(takeAttempt(state, rules, state.retryAtMs - 1).allowed).toBe(false);
    nowMs = Math.max(nowMs, state.retryAtMs);
  }
  expect(delays.slice(0, 6)).toEqual([0, 0, 1000, 2000, 4000, 8000]);
  expect(Math.max(...delays)).toBeLessThanOrEqual(rules.windowMs);
});

test("a quiet window clears the counter: nobody is locked out for ever", () => {
  expect(guess([0, 0, 0, 61_000, 61_000, 61_000]).through).toEqual([true, true, true, true, true, true]);
  expect(guess([0, 0, 0, 59_000, 59_000, 59_000]).through).toEqual([true, true, true, true, false, false]);
});

test("a success gives its own attempt back and no other's", () => {
  const { state } = guess([0, 0, 0]);
  if (state === undefined) throw new Error("no state");
  const after = giveBackAttempt(state, rules);
  expect(after.failures).toBe(2);
  expect(takeAttempt(after, rules, 1).allowed).toBe(true);
  expect(giveBackAttempt({ ...state, failures: 0 }, rules).failures).toBe(0);
  const beyond = giveBackAttempt({ failures: 9, windowStartMs: 0, retryAtMs: 9000 }, rules);
  expect(beyond).toEqual({ failures: 8, windowStartMs: 0, retryAtMs: 9000 });
});
