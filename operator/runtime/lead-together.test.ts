import { expect, test } from "@jest/globals";
import { aborted } from "./aborted.ts";
import { leadTogether } from "./lead-together.ts";

test("a loss ends all of them", async () => {
  const lost = new AbortController();
  const leading = leadTogether(aborted, aborted)(lost.signal);
  lost.abort();
  await leading;
});

test("when one ends by itself, or fails, the others do too, and it is told of", async () => {
  const never = new AbortController().signal;
  const ended: string[] = [];
  const other = async (until: AbortSignal) => {
    await aborted(until);
    ended.push("other");
  };
  await leadTogether(async () => {}, other)(never);
  const failing = leadTogether(other, () => Promise.reject(new Error("no term")))(never);
  await expect(failing).rejects.toThrow("no term");
  expect(ended).toEqual(["other", "other"]);
});
