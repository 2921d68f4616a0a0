import { setTimeout as delay } from "node:timers/promises";

export interface BackoffOptions {
  /** The longest first wait. */
  firstMs: number;
  /** The longest wait of all. */
  maxMs: number;
  /** Growth from one wait to the next; 2 unless given. */
  factor?: number;
  /** In [0, 1); `Math.random` unless given. */
  random?: () => number;
}

/** Growing waits with jitter: each one is between half of its step and the whole, so that many callers spread out. */
export interface Backoff {
  /** The next wait in milliseconds. */
  next(): number;
  /** Start over from the first wait. */
  reset(): void;
}

export function createBackoff({ firstMs, maxMs, factor = 2, random = Math.random }: BackoffOptions): Backoff {
  let stepMs = Math.min(firstMs, maxMs);
  return {
    next() {
      const waitMs = stepMs / 2 + (random() * stepMs) / 2;
      stepMs = Math.min(stepMs * factor, maxMs);
      return waitMs;
    },
    reset() {
      stepMs = Math.min(firstMs, maxMs);
    },
  };
}

export interface RetryOptions {
  backoff: Backoff;
  /** Ends the waiting: the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** How often to try at most; without end unless given. */
  attempts?: number;
  /** Whether it is worth trying again; always unless given. */
  retryable?: (error: unknown) => boolean;
  /** Told of each failure that will be tried again. */
  onRetry?: (error: unknown, waitMs: number) => void;
}

/** Runs `attempt` until it succeeds. Rejects with its last error, or with the signal's reason. */
export async function retry<T>(attempt: (signal?: AbortSignal) => Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, signal, attempts = Number.POSITIVE_INFINITY, retryable = () => true, onRetry } = options;
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    try {
      return await attempt(signal);
    } catch (error) {
      if (tried >= attempts || !retryable(error)) throw error;
      const waitMs = backoff.next();
      onRetry?.(error, waitMs);
      await pause(waitMs, signal);
    }
  }
}

/** Waits; rejects with the signal's reason as soon as it aborts. */
export async function pause(waitMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(waitMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
