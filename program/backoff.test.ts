import { describe, expect, jest, test } from "@jest/globals";
import { createBackoff, pause, retry } from "./backoff.ts";

const immediately = () => createBackoff({ firstMs: 0, maxMs: 0 });

test("waits grow to the most, each between half of its step and the whole", () => {
  const waits = (random: number) => {
    const backoff = createBackoff({ firstMs: 100, maxMs: 500, random: () => random });
    return Array.from({ length: 5 }, () => backoff.next());
  };
  expect(waits(0)).toEqual([50, 100, 200, 250, 250]);
  expect(waits(0.999999).map(Math.round)).toEqual([100, 200, 400, 500, 500]);
});

test("starts over after a reset", () => {
  const backoff = createBackoff({ firstMs: 100, maxMs: 500, random: () => 0 });
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.next()).toBe(50);
});

describe("retry", () => {
  test("gives the first success", async () => {
    const failures = [new Error("one"), new Error("two")];
    const onRetry = jest.fn();
    const attempt = async () => {
      const failure = failures.shift();
      if (failure !== undefined) throw failure;
      return "done";
    };
    await expect(retry(attempt, { backoff: immediately(), onRetry })).resolves.toBe("done");
    expect(onRetry).toHaveBeenCalledTimes(2);
  });

  test("gives up with the last error after so many attempts", async () => {
    let tried = 0;
    const attempt = async () => {
      tried += 1;
      throw new Error(`attempt ${tried}`);
    };
    await expect(retry(attempt, { backoff: immediately(), attempts: 3 })).rejects.toThrow("attempt 3");
  });

  test("does not repeat what is not worth it", async () => {
    let tried = 0;
    const attempt = async () => {
      tried += 1;
      throw new Error("no");
    };
    await expect(retry(attempt, { backoff: immediately(), retryable: () => false })).rejects.toThrow("no");
    expect(tried).toBe(1);
  });

  test("ends its wait with the signal's reason", async () => {
    const controller = new AbortController();
    const attempt = async () => {
      throw new Error("not yet");
    };
    const onRetry = () => controller.abort(new Error("stopping"));
    const backoff = createBackoff({ firstMs: 60_000, maxMs: 60_000 });
    await expect(retry(attempt, { backoff, signal: controller.signal, onRetry })).rejects.toThrow("stopping");
  });
});

test("a pause whose signal has aborted already does not begin", async () => {
  await expect(pause(60_000, AbortSignal.abort(new Error("over")))).rejects.toThrow("over");
});
