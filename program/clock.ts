/** A moment on both clocks, to measure how long ago it was. */
export interface Instant {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** The two clocks of a machine. Parts take one, so that a test can move time. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump in either direction. */
  wallMs(): number;
  /** Microseconds since the Unix epoch, as an integer. */
  wallMicros(): number;
  /** Milliseconds since some moment of its own; never goes back, may stand still while the machine sleeps. */
  monotonicMs(): number;
}

/** How far the wall clock may wander from the monotonic one before the microseconds follow it. */
const WANDER_MS = 1.5;
let monotonicToWallMs = Date.now() - performance.now();
let lastMicros = 0;

/**
 * `Date.now()` has no microseconds: they come from the monotonic clock, laid on the wall clock wherever that went. They stand
 * still while they follow it back a little, and go back only when the wall clock was really set back.
 */
function wallMicros(): number {
  const wallMs = Date.now();
  const monotonicMs = performance.now();
  if (Math.abs(wallMs - monotonicToWallMs - monotonicMs) > WANDER_MS) monotonicToWallMs = wallMs - monotonicMs;
  const micros = Math.floor((monotonicToWallMs + monotonicMs) * 1000);
  const isStepBack = micros < lastMicros - 2 * WANDER_MS * 1000;
  lastMicros = isStepBack ? micros : Math.max(micros, lastMicros);
  return lastMicros;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  wallMicros,
  monotonicMs: () => performance.now(),
};

/** This moment on both clocks. */
export function instant(clock: Clock): Instant {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
}

/**
 * Milliseconds since `since`: the larger of the two clocks' answers, never negative. A wall clock that was set back cannot
 * make something look fresh, and neither can a monotonic clock that stood still while the machine slept.
 */
export function elapsedMs(clock: Clock, since: Instant): number {
  return Math.max(0, clock.wallMs() - since.wallMs, clock.monotonicMs() - since.monotonicMs);
}
