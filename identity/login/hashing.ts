import { IdentityError } from "../errors.ts";

/** Runs work that hashes passwords: so much at once, so much waiting, and no more. */
export interface Hashing {
  /** @throws IdentityError Overloaded when too many wait already */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Seconds until an overload may have passed. */
const RETRY_AFTER = 1;

/** Bounds what hashing may take of processor and memory (19 MiB each), whatever comes in. First come, first served. */
export function createHashing({ threads, queue }: { threads: number; queue: number }): Hashing {
  const waiting: (() => void)[] = [];
  let running = 0;

  async function enter(): Promise<void> {
    if (running < threads) {
      running++;
      return;
    }
    if (waiting.length >= queue) throw new IdentityError("Overloaded", { retryAfter: RETRY_AFTER });
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push(resolve);
    await promise;
  }

  /** The place goes to who waits longest; only without anybody it becomes free. */
  function leave(): void {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }

  return {
    async run(work) {
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
