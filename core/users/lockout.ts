/** A counter of failed logins: of an account, or of an address. Times are ms since the epoch. */
export interface LockoutState {
  readonly failures: number;
  readonly windowStartMs: number;
  /** No attempt before it. */
  readonly retryAtMs: number;
}

export interface LockoutRules {
  /** Failures within the window before delays begin. */
  readonly failures: number;
  readonly windowMs: number;
}

export type Attempt =
  | { readonly allowed: true; readonly state: LockoutState }
  | { readonly allowed: false; readonly retryAtMs: number };

const FIRST_DELAY_MS = 1000;

/**
 * Takes one attempt, counting it as failed before it is made: of any number of guesses at once, no more get through than of the
 * same guesses one by one, as long as the counter's row is locked meanwhile. A login that succeeds gives its attempt back.
 *
 * From the `failures`-th failure on each one doubles the delay, from 1 s up to the window. Delays end: nobody can lock an account for ever.
 */
export function takeAttempt(
  state: LockoutState | undefined,
  { failures: limit, windowMs }: LockoutRules,
  nowMs: number,
): Attempt {
  if (state === undefined || (nowMs >= state.windowStartMs + windowMs && nowMs >= state.retryAtMs)) {
    return {
      allowed: true,
      state: counted({ failures: 0, windowStartMs: nowMs, retryAtMs: nowMs }, limit, windowMs, nowMs),
    };
  }
  if (nowMs < state.retryAtMs) return { allowed: false, retryAtMs: state.retryAtMs };
  return { allowed: true, state: counted(state, limit, windowMs, nowMs) };
}

function counted(state: LockoutState, limit: number, windowMs: number, nowMs: number): LockoutState {
  const failures = state.failures + 1;
  if (failures < limit) return { ...state, failures };
  // The window starts again, so that the delay cannot be outlived within it.
  const delayMs = Math.min(windowMs, FIRST_DELAY_MS * 2 ** Math.min(failures - limit, 40));
  return { failures, windowStartMs: nowMs, retryAtMs: nowMs + delayMs };
}

/** Gives an attempt back that succeeded. Others' failures from the same address stay counted. */
export function giveBackAttempt(state: LockoutState, { failures: limit }: LockoutRules): LockoutState {
  const failures = Math.max(0, state.failures - 1);
  return { ...state, failures, retryAtMs: failures < limit ? state.windowStartMs : state.retryAtMs };
}
