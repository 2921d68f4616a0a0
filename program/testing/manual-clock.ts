import type { Clock } from "../clock.ts";

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  /** Moves both clocks. */
  advance(ms: number): void;
  /** Moves only the wall clock, in either direction, as an administrator or NTP would. */
  setWall(wallMs: number): void;
  /** Moves only the wall clock forward: the machine slept. */
  sleep(ms: number): void;
}

export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let wallMs = startMs;
  let monotonicMs = 1_000;
  return {
    wallMs: () => Math.floor(wallMs),
    wallMicros: () => Math.floor(wallMs * 1000),
    monotonicMs: () => monotonicMs,
    advance(ms) {
      wallMs += ms;
      monotonicMs += ms;
    },
    setWall(ms) {
      wallMs = ms;
    },
    sleep(ms) {
      wallMs += ms;
    },
  };
}
