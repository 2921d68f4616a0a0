import { expect, test } from "@jest/globals";
import { createHashing } from "./hashing.ts";

test("so many at once, so many waiting in order, and no more; a failure gives its place back", async () => {
  const hashing = createHashing({ threads: 2, queue: 3 });
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const begun: number[] = [];
  const all = gates.map((gate, index) =>
    hashing.run(async () => {
      begun.push(index);
      await gate.promise;
      return index;
    }),
  );
  await expect(hashing.run(async () => "one too many")).rejects.toMatchObject({ code: "Overloaded", retryAfter: 1 });
  expect(begun).toEqual([0, 1]);

  gates[1]?.reject(new Error("broken"));
  await expect(all[1]).rejects.toThrow("broken");
  gates[0]?.resolve();
  await all[0];
  await new Promise(setImmediate);
  expect(begun).toEqual([0, 1, 2, 3]);
  for (const gate of gates) gate.resolve();
  expect(await Promise.all(all.filter((_, index) => index !== 1))).toEqual([0, 2, 3, 4]);
  expect(await hashing.run(async () => "free again")).toBe("free again");
});
