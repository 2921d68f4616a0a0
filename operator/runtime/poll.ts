import { asError, type Logger, pause } from "@heauth/program";

export interface PollOptions {
  /** One reading; how long it takes is its own concern. */
  readonly round: () => Promise<void>;
  /** Between two readings. */
  readonly everyMs: number;
  readonly log: Logger;
  /** What can't be read while rounds fail, for the log. */
  readonly what: string;
}

/** Reads something again and again. Where that fails it goes on; the log hears of it once, until it works again. */
export class Poll {
  readonly #options: PollOptions;
  #stopping = new AbortController();
  #looking = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: PollOptions) {
    this.#options = options;
  }

  /** May be started again after it was stopped. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#stopping = new AbortController();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#running = undefined;
  }

  /** The next reading is due at once. */
  look(): void {
    this.#looking.abort();
  }

  async #run(): Promise<void> {
    const { round, everyMs, log, what } = this.#options;
    const { signal } = this.#stopping;
    let failing = false;
    while (!signal.aborted) {
      this.#looking = new AbortController();
      try {
        await round();
        failing = false;
      } catch (error) {
        if (!failing) log.warn({ err: asError(error) }, `${what} can't be read; it is tried again`);
        failing = true;
      }
      await pause(everyMs, AbortSignal.any([signal, this.#looking.signal])).catch(() => {});
    }
  }
}
