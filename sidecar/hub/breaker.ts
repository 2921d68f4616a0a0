import { type Clock, createBackoff, elapsedMs, type Instant, instant } from "@heauth/program";

/** Keeps callers from waiting for a hub that does not answer. */
export interface Breaker {
  /** How many calls may be under way: none while it is open, one to try after that, and `maxCalls` otherwise. */
  limit(): number;
  succeeded(): void;
  /** `retryAfterMs`: the hub itself asked to be left alone. */
  failed(retryAfterMs?: number): void;
}

export interface BreakerOptions {
  clock: Clock;
  maxCalls: number;
  /** Failures in a row that open it. */
  failures: number;
  /** How long it stays open at first, and at most. */
  firstMs: number;
  maxMs: number;
}

export function createBreaker({ clock, maxCalls, failures, firstMs, maxMs }: BreakerOptions): Breaker {
  const backoff = createBackoff({ firstMs, maxMs });
  let inARow = 0;
  let open: { since: Instant; forMs: number } | undefined;

  return {
    limit() {
      if (open === undefined) return maxCalls;
      return elapsedMs(clock, open.since) < open.forMs ? 0 : 1;
    },
    succeeded() {
      inARow = 0;
      open = undefined;
      backoff.reset();
    },
    failed(retryAfterMs) {
      inARow += 1;
      if (inARow < failures && retryAfterMs === undefined) return;
      const forMs = Math.min(maxMs, Math.max(backoff.next(), retryAfterMs ?? 0));
      open = { since: instant(clock), forMs };
    },
  };
}
