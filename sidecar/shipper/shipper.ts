import { MAX_SEGMENT_RECORDS } from "@heauth/core/ledger";
import { askHub, type OnRetry } from "./ask-hub.ts";
import type { HubJournals, JournalWatermark } from "./hub-journals.ts";
import type { JournalChain } from "./journal-chain.ts";
import type { JournalMetrics } from "./journal-metrics.ts";

/** A journal's chain on its way to the hub, and who is told of it. */
export interface Consignment {
  readonly chain: JournalChain;
  /** Whether somebody waits: then what is there goes at once, in a segment however small. */
  isUrgent(): boolean;
  /** Told after each request; may remove the consignment. */
  onAcknowledged(watermark: JournalWatermark): void;
  /** Told once, when the chain cannot go on: its records cannot be read, or the hub will not have them. */
  onFailed(error: unknown): void;
}

export interface ShipperOptions {
  hub: Pick<HubJournals, "append">;
  metrics: Pick<JournalMetrics, "shipped">;
  onRetry: OnRetry;
}

interface Turn {
  readonly consignment: Consignment;
  /** Since when records wait to be put into a segment, by the monotonic clock in ms. */
  since: number | undefined;
}

/** How long records wait for others to go with. */
const LONGEST_OPEN_MS = 1000;
const HURRIED_OPEN_MS = 100;

/** Brings journals' segments to the hub: one request at a time, until they are acknowledged, for as long as it takes. */
export class Shipper {
  readonly #options: ShipperOptions;
  readonly #stopping = new AbortController();
  /** The next one to be served comes first. */
  readonly #turns: Turn[] = [];
  #wake = Promise.withResolvers<void>();
  #longestOpenMs = LONGEST_OPEN_MS;
  #running: Promise<void> | undefined;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the request under way; what it carried is shipped by the next process, unless the hub has committed it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  add(consignment: Consignment): void {
    this.#turns.push({ consignment, since: undefined });
    this.wake();
  }

  remove(consignment: Consignment): void {
    const index = this.#turns.findIndex((turn) => turn.consignment === consignment);
    if (index >= 0) this.#turns.splice(index, 1);
  }

  /** From now on records wait a tenth of a second at most. */
  hurry(): void {
    this.#longestOpenMs = HURRIED_OPEN_MS;
    this.wake();
  }

  /** There may be something to ship. */
  wake(): void {
    this.#wake.resolve();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      const waits = this.#turns.map((turn) => dueIn(turn, performance.now(), this.#longestOpenMs));
      const due = this.#turns[waits.indexOf(0)];
      if (due === undefined) await idle(Math.min(...waits), this.#wake.promise);
      else await this.#serve(due);
    }
  }

  async #serve(turn: Turn): Promise<void> {
    const { consignment } = turn;
    this.remove(consignment);
    this.#turns.push(turn);
    turn.since = undefined;
    try {
      const watermark = await this.#ship(consignment.chain);
      consignment.chain.acknowledge(watermark);
      consignment.onAcknowledged(watermark);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.remove(consignment);
      consignment.onFailed(error);
    }
  }

  async #ship(chain: JournalChain): Promise<JournalWatermark> {
    const { hub, metrics, onRetry } = this.#options;
    const { signal } = this.#stopping;
    const { tenant, journal } = chain;
    const segments = await chain.segments();
    const watermark = await askHub(() => hub.append({ tenant, journal, segments }, signal), signal, onRetry);
    metrics.shipped(segments.length);
    return watermark;
  }
}

/** Waits for `ms` (endlessly where that is infinite), or until woken. */
async function idle(ms: number, woken: Promise<void>): Promise<void> {
  if (!Number.isFinite(ms)) return woken;
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  await Promise.race([woken, over.promise]);
  clearTimeout(timer);
}

/** In how many ms the turn's chain should be served. */
function dueIn(turn: Turn, now: number, longestOpenMs: number): number {
  const { chain } = turn.consignment;
  if (chain.isUnacknowledged) return 0;
  if (chain.unsealed === 0) return Number.POSITIVE_INFINITY;
  if (chain.unsealed >= MAX_SEGMENT_RECORDS || turn.consignment.isUrgent()) return 0;
  turn.since ??= now;
  return Math.max(0, turn.since + longestOpenMs - now);
}
