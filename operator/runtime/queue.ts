/** What a reconciler may ask for: to be called again with the same key after a while, though nothing failed. */
export interface Requeue {
  readonly requeueAfterMs: number;
}

export interface QueueOptions {
  /** Called for one key at a time; never twice at once for the same key. A rejection backs the key off. */
  readonly reconcile: (key: string) => Promise<Requeue | undefined>;
  /** Told of each failure, with the delay until the next try. */
  readonly onError: (key: string, error: unknown, retryInMs: number) => void;
  readonly workers?: number;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
}

/**
 * A keyed work queue: a key that waits is not added twice; one that is added while it runs, runs once more afterwards.
 * Failures back off exponentially, each key by itself; success forgets them.
 */
export class WorkQueue {
  readonly #options: Required<QueueOptions>;
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #failures = new Map<string, number>();
  readonly #work = new Set<Promise<void>>();
  #open = false;

  constructor(options: QueueOptions) {
    this.#options = { workers: 2, baseDelayMs: 200, maxDelayMs: 60_000, ...options };
  }

  /** How many keys wait for a worker. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Asks for a key to be reconciled as soon as a worker is free; a delay that it waits out ends. */
  add(key: string): void {
    this.#cancelTimer(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#dispatch();
  }

  /** Asks for a key after a delay; an earlier time that it already waits for stands. */
  addAfter(key: string, delayMs: number): void {
    if (this.#ready.has(key) || this.#again.has(key) || this.#timers.has(key)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, delayMs);
    this.#timers.set(key, timer);
  }

  start(): void {
    this.#open = true;
    this.#dispatch();
  }

  /** Takes up no more work and waits for what runs. */
  async stop(): Promise<void> {
    this.#open = false;
    for (const key of [...this.#timers.keys()]) this.#cancelTimer(key);
    await Promise.all(this.#work);
  }

  #cancelTimer(key: string): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }

  #dispatch(): void {
    for (const key of this.#ready) {
      if (!this.#open || this.#running.size >= this.#options.workers) return;
      this.#ready.delete(key);
      this.#running.add(key);
      const run = this.#run(key).finally(() => this.#work.delete(run));
      this.#work.add(run);
    }
  }

  async #run(key: string): Promise<void> {
    let delayMs: number | undefined;
    try {
      const requeue = await this.#options.reconcile(key);
      this.#failures.delete(key);
      delayMs = requeue?.requeueAfterMs;
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      delayMs = Math.min(this.#options.maxDelayMs, this.#options.baseDelayMs * 2 ** Math.min(failures, 30));
      this.#options.onError(key, error, delayMs);
    }
    this.#running.delete(key);
    if (this.#again.delete(key)) this.#ready.add(key);
    else if (delayMs !== undefined && this.#open) this.addAfter(key, delayMs);
    this.#dispatch();
  }
}
