import { SidecarError } from "../errors.ts";

interface Waiter {
  seq: number;
  /** By the monotonic clock, in ms. */
  due: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** Those who wait for the hub to commit a record; all of them wait equally long at most, so one timer does. */
export class CommitWaiters {
  readonly #waitMs: number;
  #waiting: Waiter[] = [];
  #next = 0;
  #failure: Error | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Seq behind the last committed record. */
  get next(): number {
    return this.#next;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves when the record is committed; rejects with JournalTimeout, or with what the journal failed of. */
  wait(seq: number): Promise<void> {
    if (seq < this.#next) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ seq, due: performance.now() + this.#waitMs, resolve, reject });
    this.#timer ??= setTimeout(() => this.#expire(), this.#waitMs);
    return promise;
  }

  /** All records before `next` are committed. */
  advance(next: number): void {
    this.#next = Math.max(this.#next, next);
    const still = this.#waiting.findIndex(({ seq }) => seq >= this.#next);
    for (const { resolve } of this.#waiting.splice(0, still < 0 ? this.#waiting.length : still)) resolve();
    this.#restart();
  }

  /** Nothing will be committed any more. */
  fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#restart();
  }

  #expire(): void {
    const now = performance.now();
    const still = this.#waiting.findIndex(({ due }) => due > now);
    for (const { reject } of this.#waiting.splice(0, still < 0 ? this.#waiting.length : still)) {
      reject(new SidecarError("JournalTimeout", "the hub has not committed a record in time"));
    }
    this.#restart();
  }

  #restart(): void {
    clearTimeout(this.#timer);
    const [head] = this.#waiting;
    this.#timer = head && setTimeout(() => this.#expire(), Math.max(1, head.due - performance.now()));
  }
}
