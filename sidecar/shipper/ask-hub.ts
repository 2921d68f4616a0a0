import { createBackoff, pause } from "@heauth/program";
import { SidecarError } from "../errors.ts";

/** Told of each failure that another attempt follows, and how long it waits, in ms. */
export type OnRetry = (error: unknown, waitMs: number) => void;

/**
 * Asks the hub until it answers. Rejects where asking again is of no use (HubRefused, HubEquivocation), and with the signal's
 * reason once that has aborted.
 */
export async function askHub<T>(ask: () => Promise<T>, signal: AbortSignal, onRetry: OnRetry): Promise<T> {
  const backoff = createBackoff({ firstMs: 50, maxMs: 2000 });
  for (;;) {
    signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (isFinal(error)) throw error;
      const wait = backoff.next() + wantedWait(error);
      onRetry(error, wait);
      await pause(wait, signal);
    }
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof SidecarError && (error.code === "HubRefused" || error.code === "HubEquivocation");
}

function wantedWait(error: unknown): number {
  return error instanceof SidecarError ? (error.retryAfterMs ?? 0) : 0;
}
