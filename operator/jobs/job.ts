import { asError, createBackoff, type Logger, type Part, pause } from "@heauth/program";
import type { JobLocks } from "./job-lock.ts";

export interface JobOptions {
  /** Its lock's name, too. */
  readonly name: string;
  readonly locks: JobLocks;
  readonly log: Logger;
  /** Between two rounds, when there is no more to do. */
  readonly intervalMs: number;
  /** One round. Resolves to true when there is more to do at once. */
  readonly round: (stopping: AbortSignal) => Promise<boolean>;
}

const FAILURE_BACKOFF = { firstMs: 500, maxMs: 10_000 };

/** A job on the database: rounds, one after the other, while this process holds the job's lock. A failed round is tried again. */
export class Job implements Part {
  readonly name: string;
  readonly #options: JobOptions;
  #stopping = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  constructor(options: JobOptions) {
    this.name = options.name;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    this.#ended = this.#run(this.#stopping.signal);
  }

  /** Waits for the round that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  async #run(stopping: AbortSignal): Promise<void> {
    const { name, locks, round, log, intervalMs } = this.#options;
    const backoff = createBackoff(FAILURE_BACKOFF);
    while (!stopping.aborted) {
      let waitMs = intervalMs;
      try {
        if ((await locks.holds(name)) && (await round(stopping))) waitMs = 0;
        backoff.reset();
      } catch (error) {
        waitMs = backoff.next();
        log.warn({ job: name, err: asError(error), retryInMs: Math.round(waitMs) }, "a round of the job failed");
      }
      // Rejects only because it is to stop.
      if (waitMs > 0) await pause(waitMs, stopping).catch(() => undefined);
    }
  }
}
