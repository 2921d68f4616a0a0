import {
  asError,
  type Clock,
  createBackoff,
  elapsedMs,
  type Instant,
  instant,
  type Logger,
  pause,
} from "@heauth/program";
import { type Database, type OutboxEvent, outboxHeads, readOutboxSince, type Tx } from "@heauth/store";
import { type History, KEPT_EVENTS } from "./history.ts";
import { connectPrimary, type Primary } from "./primary.ts";

/** Who is told of what is read; called in the order of the outbox, before the read counts as complete. */
export interface EventListener {
  event(event: OutboxEvent): void;
  /** The tenant's events do not follow on from those read before: whoever saw those must begin anew. */
  interrupted(tenantId: string): void;
  /** Another store, or another history of it. */
  storeChanged(): void;
  /** Everything committed before the read began has been told. */
  complete(): void;
}

/** Far below what a revocation may take. */
const TOGETHER_MS = 3;

export interface EventReaderOptions {
  database: Database;
  history: History;
  listener: EventListener;
  clock: Clock;
  log: Logger;
  /** Between two reads, at most. */
  everyMs: number;
  /** Between two attempts to connect, at most. */
  reconnectMs: number;
}

/** Reads every tenant's events from the primary, once for all streams. */
export interface EventReader {
  /** The store that was read; undefined until the first complete read. */
  readonly store: string | undefined;
  /** Resolves with the first complete read. */
  readonly ready: Promise<void>;
  /** Time since the last complete read began, ms. */
  ageMs(): number | undefined;
  start(): void;
  stop(): Promise<void>;
}

export function createEventReader(options: EventReaderOptions): EventReader {
  const { database, history, listener, clock, log, everyMs } = options;
  const backoff = createBackoff({ firstMs: 50, maxMs: options.reconnectMs });
  const first = Promise.withResolvers<void>();
  let store: string | undefined;
  let lastRead: Instant | undefined;
  let stopped = false;
  let running: Promise<void> | undefined;
  let wake = Promise.withResolvers<void>();
  let primary: Primary | undefined;

  async function rest(ms: number): Promise<void> {
    const timer = setTimeout(() => wake.resolve(), ms);
    await wake.promise;
    clearTimeout(timer);
    if (!stopped) wake = Promise.withResolvers();
  }

  async function run(): Promise<void> {
    while (!stopped) {
      try {
        primary = await connectPrimary(database, () => wake.resolve());
        if (!stopped) await readFrom(primary);
      } catch (error) {
        if (stopped) return;
        const waitMs = backoff.next();
        log.warn({ err: asError(error), waitMs, ageMs: ageMs() }, "the outbox can't be read");
        await rest(waitMs);
      } finally {
        primary?.close();
      }
    }
  }

  /** Until the connection fails or the hub stops. */
  async function readFrom(primary: Primary): Promise<void> {
    if (store !== undefined && store !== primary.store) {
      log.warn({ from: store, to: primary.store }, "the store has changed");
      history.clear();
      listener.storeChanged();
    }
    while (!stopped) {
      const begun = instant(clock);
      await readAll(primary);
      store = primary.store;
      lastRead = begun;
      backoff.reset();
      first.resolve();
      listener.complete();
      await rest(everyMs);
      // Many commits are read together.
      await pause(TOGETHER_MS);
    }
  }

  /** Everything committed before this was called is told when it resolves. */
  async function readAll(tx: Tx): Promise<void> {
    const heads = await outboxHeads(tx);
    for (const { tenantId, seq } of heads) {
      const known = history.head(tenantId);
      if (known === undefined) history.begin(tenantId, Math.max(0, seq - KEPT_EVENTS));
      else if (known > seq) interrupt(tenantId, seq);
    }
    // All of a tenant may have been deleted before its last events were read.
    if (history.cursors().length > heads.length) {
      const here = new Set(heads.map(({ tenantId }) => tenantId));
      for (const { tenantId } of history.cursors()) if (!here.has(tenantId)) gone(tenantId);
    }
    const isBehind = () => heads.some(({ tenantId, seq }) => (history.head(tenantId) ?? seq) < seq);
    while (isBehind()) {
      const events = await readOutboxSince(tx, history.cursors());
      for (const event of events) tell(event);
      if (events.length > 0) continue;
      for (const { tenantId, seq } of heads) if ((history.head(tenantId) ?? seq) < seq) interrupt(tenantId, seq);
    }
  }

  function tell(event: OutboxEvent): void {
    if (!history.add(event)) {
      // Events were taken away from the outbox, or it was put back to an older state.
      interrupt(event.tenantId, event.seq - 1);
      history.add(event);
    }
    listener.event(event);
  }

  function interrupt(tenantId: string, seq: number): void {
    log.warn({ tenantId, seq }, "the tenant's events do not follow on");
    history.begin(tenantId, seq);
    listener.interrupted(tenantId);
  }

  function gone(tenantId: string): void {
    log.info({ tenantId }, "the tenant is gone");
    history.end(tenantId);
    listener.interrupted(tenantId);
  }

  function ageMs(): number | undefined {
    return lastRead && elapsedMs(clock, lastRead);
  }

  return {
    get store() {
      return store;
    },
    ready: first.promise,
    ageMs,
    start() {
      running ??= run();
    },
    async stop() {
      stopped = true;
      wake.resolve();
      primary?.close();
      await running;
    },
  };
}
