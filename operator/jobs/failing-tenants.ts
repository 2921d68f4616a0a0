import { type OnFailure, oneByOne } from "./one-by-one.ts";

interface OfTenant {
  readonly tenantId: string;
}

/** ms. */
const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 300_000;

/**
 * Tenants for which a job has just failed. Batches are of all tenants: one whose rows fail again and again would fill them, and nobody
 * else would get a turn. So it is left out until it is tried again: after 5 s, with each failure twice that, at most 5 min.
 */
export class FailingTenants {
  /** By tenant id; ms since the Unix epoch. */
  readonly #waits = new Map<string, { readonly waitMs: number; readonly untilMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** Ids of those that are not to be tried now. */
  now(): string[] {
    const now = this.#nowMs();
    // Who had nothing to do since then has been put right, or is gone.
    for (const [id, { untilMs }] of this.#waits) if (untilMs + LONGEST_WAIT_MS < now) this.#waits.delete(id);
    return [...this.#waits].filter(([, { untilMs }]) => untilMs > now).map(([id]) => id);
  }

  /**
   * Does the work for each item, as `oneByOne`, and keeps in mind whose failed.
   * @throws StoreError StoreUnavailable: then nothing more can be done now
   */
  async oneByOne<T extends OfTenant>(
    items: readonly T[],
    work: (item: T) => Promise<unknown>,
    onFailure: OnFailure<T>,
  ): Promise<void> {
    const tried = new Set<string>();
    const failed = new Set<string>();
    const noted = async (item: T) => {
      tried.add(item.tenantId);
      await work(item).catch((error: unknown) => {
        // Also what ends the round: a statement that takes too long for one tenant looks as if the database were away.
        failed.add(item.tenantId);
        throw error;
      });
    };
    try {
      await oneByOne(items, noted, onFailure);
    } finally {
      this.#note(tried, failed);
    }
  }

  #note(tried: ReadonlySet<string>, failed: ReadonlySet<string>): void {
    for (const tenantId of tried) if (!failed.has(tenantId)) this.#waits.delete(tenantId);
    for (const tenantId of failed) {
      const before = this.#waits.get(tenantId)?.waitMs;
      const waitMs = before === undefined ? FIRST_WAIT_MS : Math.min(2 * before, LONGEST_WAIT_MS);
      this.#waits.set(tenantId, { waitMs, untilMs: this.#nowMs() + waitMs });
    }
  }
}
