import type { Clock } from "@heauth/program";

/**
 * Since when everybody has had the same bundle. It counts by the monotonic clock: one on the wall that was set forward gives nobody time
 * to learn of anything.
 */
export class Spread {
  readonly #clock: Clock;
  readonly #certainAfterMs: number;
  #held: { readonly bundle: string; readonly sinceMs: number } | undefined;

  /** @param certainAfterMs from the moment that a bundle stands where it is read until every reader certainly goes by it */
  constructor(clock: Clock, certainAfterMs: number) {
    this.#clock = clock;
    this.#certainAfterMs = certainAfterMs;
  }

  /** What everybody can read now; undefined when that is not known, or not the same everywhere. */
  note(bundle: string | undefined): void {
    if (this.#held?.bundle === bundle) return;
    this.#held = bundle === undefined ? undefined : { bundle, sinceMs: this.#clock.monotonicMs() };
  }

  /** The bundle that everybody goes by. */
  trusted(): string | undefined {
    if (this.#held === undefined) return undefined;
    return this.#clock.monotonicMs() - this.#held.sinceMs >= this.#certainAfterMs ? this.#held.bundle : undefined;
  }
}
