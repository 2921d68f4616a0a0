import { expect, test } from "@jest/globals";
import { unlessAborted, withDeadline } from "./deadline.ts";

test("gives the work's result or its error when that comes in time", async () => {
  await expect(withDeadline(5_000, "adding", async () => 2)).resolves.toBe(2);
  const failing = async () => {
    throw new Error("its own");
  };
  await expect(withDeadline(5_000, "adding", failing)).rejects.toThrow("its own");
});

test("gives DeadlineExceeded when it does not, and tells the work", async () => {
  const told = Promise.withResolvers<void>();
  const work = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => told.resolve());
    return new Promise<never>(() => {});
  };
  await expect(withDeadline(10, "asking", work)).rejects.toMatchObject({ code: "DeadlineExceeded" });
  await told.promise;
});

test("work that can't be told to give up is waited for until the signal aborts, and not at all after that", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  await expect(unlessAborted(Promise.resolve(1), controller.signal)).resolves.toBe(1);
  const waiting = unlessAborted(new Promise<never>(() => {}), controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(unlessAborted(new Promise<never>(() => {}), controller.signal)).rejects.toBe(reason);
});
