import type { Metrics } from "@heauth/program";
import { isConflict } from "./conflict.ts";

/** A conflict that does not end after so many tries is one to be told of. */
const CONFLICTS_TOLD_AFTER = 8;
/** What timers can wait: 24.8 days. */
const MOST_DELAY_MS = 2 ** 31 - 1;

/** What a reconciler may ask for: to be called again with the same key after a while, though nothing failed. */
export interface Requeue {
  readonly requeueAfterMs: number;
}

export interface QueueOptions {
  /** Called for one key at a time; never twice at once for the same key. A rejection backs the key off. */
  readonly reconcile: (key: string) => Promise<Requeue | undefined>;
  /** Told of each failure, with the delay until the next try; not of conflicts, unless they do not end. */
  readonly onError: (key: string, error: unknown, retryInMs: number) => void;
  readonly workers?: number;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Where to measure it, and under which name. */
  readonly measured?: { readonly metrics: Metrics; readonly name: string };
}

/** A time that a key waits for. */
interface Wait {
  readonly timer: NodeJS.Timeout;
  /** By `performance.now()`. */
  readonly untilMs: number;
}

/**
 * A keyed work queue: a key that waits is not added twice; one that is added while it runs, runs once more afterwards.
 * Failures back off exponentially, each key by itself; success forgets them.
 */
export class WorkQueue {
  readonly #options: Required<Omit<QueueOptions, "measured">>;
  readonly #measures: Measures | undefined;
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  readonly #again = new Set<string>();
  readonly #waits = new Map<string, Wait>();
  readonly #failures = new Map<string, number>();
  readonly #work = new Set<Promise<void>>();
  #open = false;

  constructor({ measured, ...options }: QueueOptions) {
    this.#options = { workers: 2, baseDelayMs: 200, maxDelayMs: 60_000, ...options };
    this.#measures = measured && measure(measured, () => this.depth);
  }

  /** How many keys wait for a worker. */
  get depth(): number {
    return this.#ready.size;
  }

  /** Asks for a key to be reconciled as soon as a worker is free; a delay that it waits out ends. */
  add(key: string): void {
    this.#cancelWait(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#ready.add(key);
    this.#dispatch();
  }

  /** Asks for a key after a delay; of several times the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#ready.has(key) || this.#again.has(key)) return;
    const waitMs = Math.min(delayMs, MOST_DELAY_MS);
    const untilMs = performance.now() + waitMs;
    if ((this.#waits.get(key)?.untilMs ?? Number.POSITIVE_INFINITY) <= untilMs) return;
    this.#cancelWait(key);
    const timer = setTimeout(() => {
      this.#waits.delete(key);
      this.add(key);
    }, waitMs);
    this.#waits.set(key, { timer, untilMs });
  }

  start(): void {
    this.#open = true;
    this.#dispatch();
  }

  /** Takes up no more work, waits for what runs, and forgets all else: a later start begins with what is added after this. */
  async stop(): Promise<void> {
    this.#open = false;
    for (const key of [...this.#waits.keys()]) this.#cancelWait(key);
    await Promise.all(this.#work);
    // Also what was asked for again by what ran.
    this.#ready.clear();
    this.#failures.clear();
  }

  #cancelWait(key: string): void {
    clearTimeout(this.#waits.get(key)?.timer);
    this.#waits.delete(key);
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
    const beganMs = performance.now();
    let delayMs: number | undefined;
    try {
      const requeue = await this.#options.reconcile(key);
      this.#failures.delete(key);
      delayMs = requeue?.requeueAfterMs;
    } catch (error) {
      delayMs = this.#failed(key, error);
    }
    this.#measures?.seconds.record((performance.now() - beganMs) / 1000);
    this.#running.delete(key);
    if (this.#again.delete(key)) this.#ready.add(key);
    else if (delayMs !== undefined && this.#open) this.addAfter(key, delayMs);
    this.#dispatch();
  }

  /** How long to wait before the next try. */
  #failed(key: string, error: unknown): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const { baseDelayMs, maxDelayMs, onError } = this.#options;
    const delayMs = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(failures, 30));
    const conflict = isConflict(error);
    this.#measures?.[conflict ? "conflicts" : "errors"].add();
    if (!conflict || failures >= CONFLICTS_TOLD_AFTER) onError(key, error, delayMs);
    return delayMs;
  }
}

type Measures = ReturnType<typeof measure>;

function measure({ metrics, name: queue }: NonNullable<QueueOptions["measured"]>, depth: () => number) {
  metrics.gauge("heauth_queue_depth", () => [[{ queue }, depth()]]);
  return {
    seconds: metrics.histogram("heauth_reconcile_seconds", { queue }),
    conflicts: metrics.counter("heauth_queue_retries_total", { queue, reason: "conflict" }),
    errors: metrics.counter("heauth_queue_retries_total", { queue, reason: "error" }),
  };
}
