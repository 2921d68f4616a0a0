import { setTimeout as pause } from "node:timers/promises";

/**
 * Asks again until the answer is as wanted: for what has no event that could be awaited from outside. Answers the last one, wanted or not,
 * for the test to judge; an error counts as an answer that is not wanted, unless it is the last.
 */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  wanted: (answer: T) => boolean,
  withinMs = 60_000,
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    const isLast = performance.now() > until;
    try {
      const answer = await ask();
      if (wanted(answer) || isLast) return answer;
    } catch (error) {
      if (isLast) throw error;
    }
    await pause(50);
  }
}
