import { expect, test } from "@jest/globals";
import { sparingly } from "./sparingly.ts";
import { createManualClock } from "./testing/index.ts";

test("it is said at once, then once in a while, with how often it was not", () => {
  const clock = createManualClock();
  const heard: unknown[] = [];
  const say = sparingly<string>({ clock, everyMs: 1_000 }, (...words) => heard.push(words));
  say("a");
  say("b");
  clock.advance(999);
  say("c");
  clock.advance(1);
  say("d");
  say("e");
  clock.advance(5_000);
  say("f");
  expect(heard).toEqual([
    ["a", 0],
    ["d", 2],
    ["f", 1],
  ]);
});
