import { overloaded } from "./refusals.ts";

/** Lets so many calls in at a time; the others are told to come back, so that those inside get done. */
export interface Admission {
  /** @throws CallError RESOURCE_EXHAUSTED */
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createAdmission(maxCalls: number): Admission {
  let calls = 0;
  return {
    async run(work) {
      if (calls >= maxCalls) throw overloaded();
      calls += 1;
      try {
        return await work();
      } finally {
        calls -= 1;
      }
    },
  };
}
