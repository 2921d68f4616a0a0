import { expect, test } from "@jest/globals";
import { closedReason, closeReasons } from "./close-reason.ts";
import { timedOut } from "./timeouts.ts";

test.each([
  [0, undefined],
  [59_999, undefined],
  [60_000, "SessionIdle"],
  [120_000, "SessionIdle"],
])("idle for %d ms of 60 s: %s", (idleMs, expected) => {
  expect(timedOut({ idleMs, expiresAtMs: 1001 }, { idleTimeoutMs: 60_000, nowMs: 1000 })).toBe(expected);
});

test("the absolute timeout counts whatever the use, and comes first", () => {
  expect(timedOut({ idleMs: 0, expiresAtMs: 1000 }, { idleTimeoutMs: 60_000, nowMs: 1000 })).toBe("SessionExpired");
  expect(timedOut({ idleMs: 70_000, expiresAtMs: 1000 }, { idleTimeoutMs: 60_000, nowMs: 1000 })).toBe(
    "SessionExpired",
  );
});

test("only the timeouts end a session by themselves", () => {
  const late = closeReasons.filter((reason) => closedReason(reason) === reason);
  expect(late).toEqual(["SessionIdle", "SessionExpired"]);
  const others = [...closeReasons.filter((reason) => !late.includes(reason)), "", "Novel", undefined];
  expect(new Set(others.map(closedReason))).toEqual(new Set(["SessionClosed"]));
});
