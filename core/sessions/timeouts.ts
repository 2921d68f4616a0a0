import type { CloseReason } from "./close-reason.ts";

/** What a session's age is judged by. */
export interface SessionTimes {
  /** Time since it was last used, ms. */
  readonly idleMs: number;
  /** Absolute expiry, ms since the epoch. */
  readonly expiresAtMs: number;
}

/**
 * Whether an open session's time is over, and by which timeout; undefined while it is not. Everybody who meets the session
 * judges by this, also when nothing has closed its row yet.
 */
export function timedOut(
  { idleMs, expiresAtMs }: SessionTimes,
  { idleTimeoutMs, nowMs }: { idleTimeoutMs: number; nowMs: number },
): Extract<CloseReason, "SessionIdle" | "SessionExpired"> | undefined {
  if (nowMs >= expiresAtMs) return "SessionExpired";
  if (idleMs >= idleTimeoutMs) return "SessionIdle";
  return undefined;
}
