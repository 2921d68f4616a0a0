import { type Clock, elapsedMs, type Instant, instant } from "@heauth/program";
import { createAdmission } from "../admission.ts";
import { overloaded } from "../refusals.ts";

export interface BudgetOptions {
  clock: Clock;
  atOnce: number;
  perSecond: number;
}

/** Keeps what callers cause from becoming too much for the API server: so many at a time, and so many per second. */
export interface Budget {
  /** @throws CallError RESOURCE_EXHAUSTED */
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createBudget({ clock, atOnce, perSecond }: BudgetOptions): Budget {
  const admission = createAdmission(atOnce);
  let left = perSecond;
  let since: Instant = instant(clock);

  /** What was not used fills up again, a second's worth at most. */
  function take(): void {
    const now = instant(clock);
    left = Math.min(perSecond, left + (elapsedMs(clock, since) / 1000) * perSecond);
    since = now;
    if (left < 1) throw overloaded();
    left -= 1;
  }

  return {
    run: (work) =>
      admission.run(() => {
        take();
        return work();
      }),
  };
}
