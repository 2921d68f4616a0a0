import { expect, test } from "@jest/globals";
import { fewAtATime } from "./few-at-a-time.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("all is done, in order, and never more than so many at once", async () => {
  const begun: number[] = [];
  let now = 0;
  let most = 0;
  await fewAtATime([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    begun.push(item);
    most = Math.max(most, ++now);
    for (let n = 0; n <= item % 3; n++) await turn();
    now--;
  });
  expect([begun, most, now]).toEqual([[1, 2, 3, 4, 5, 6, 7], 3, 0]);
});

test("after a failure nothing is begun, and it is told when the rest has ended", async () => {
  const ended: number[] = [];
  const work = async (item: number) => {
    if (item === 1) throw new Error("first");
    await turn();
    ended.push(item);
    throw new Error("second");
  };
  await expect(fewAtATime([1, 2, 3, 4], 2, work)).rejects.toThrow("first");
  expect(ended).toEqual([2]);
});
