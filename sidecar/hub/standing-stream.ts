import { asError, createBackoff, type Logger, type Metrics, pause, sparingly } from "@heauth/program";
import { CallError, type HubClient } from "@heauth/protocol";
import type { SyncHandlers } from "./conversation.ts";
import { createPlaces } from "./places.ts";
import { runSyncStream, type SyncStreamOptions } from "./sync-stream.ts";
import type { HubTiming } from "./timing.ts";

export interface StandingStreamOptions extends Pick<SyncStreamOptions, "version" | "features" | "clock" | "handlers"> {
  client: HubClient;
  timing: HubTiming;
  log: Logger;
  metrics: Metrics;
}

/** The stream to the hub, opened again whenever it ends. */
export interface StandingStream {
  /** Whether the hub has welcomed the stream that is open now. */
  readonly connected: boolean;
  start(): void;
  stop(): Promise<void>;
}

export function createStandingStream(options: StandingStreamOptions): StandingStream {
  const { client, timing, log, metrics, version, features, clock } = options;
  const { probeEvery: probeEveryMs, silentAfter: silentAfterMs } = timing;
  const places = createPlaces();
  const stopping = new AbortController();
  const backoff = createBackoff({ firstMs: timing.reconnectFirst, maxMs: timing.reconnectMax });
  const refusedBackoff = createBackoff({ firstMs: timing.refusedFirst, maxMs: timing.refusedMax });
  // A hub that is away for an hour should not fill the node's disk with saying so.
  const tellAway = sparingly<{ error: unknown; waitMs: number }>({ clock, everyMs: 10_000 }, (failure, unsaid) =>
    log.warn({ err: asError(failure.error), waitMs: failure.waitMs, unsaid }, "no stream to the hub"),
  );
  let running: Promise<void> | undefined;
  let connected = false;

  const handlers: SyncHandlers = {
    ...options.handlers,
    welcome(welcome) {
      connected = true;
      backoff.reset();
      refusedBackoff.reset();
      log.info({ ...welcome, store: places.store }, "the hub has welcomed the stream");
      options.handlers.welcome(welcome);
    },
  };

  /** One stream, from its opening to its end: how long to wait before the next. */
  async function once(): Promise<number> {
    const { signal } = stopping;
    const stream = client.open("sync");
    try {
      const { reconnectAfterMs } = await runSyncStream({
        stream,
        version,
        features,
        places,
        handlers,
        clock,
        probeEveryMs,
        silentAfterMs,
        signal,
      });
      // Many sidecars may have been told at once.
      return Math.min(reconnectAfterMs, timing.reconnectMax) * Math.random();
    } catch (error) {
      return signal.aborted ? 0 : failed(error);
    } finally {
      connected = false;
    }
  }

  /** Says so; answers how long to wait. */
  function failed(error: unknown): number {
    const { code, retryAfterMs = 0 } = error instanceof CallError ? error : { code: "UNKNOWN" };
    metrics.counter("heauth_hub_call_failures_total", { call: "sync", code }).add();
    if (code === "UNAUTHENTICATED" || code === "PERMISSION_DENIED") {
      const waitMs = refusedBackoff.next();
      log.error({ err: asError(error), waitMs }, "the hub does not take this pod for one of its own");
      return waitMs;
    }
    const waitMs = Math.max(backoff.next(), retryAfterMs * (1 + Math.random()));
    tellAway({ error, waitMs });
    return waitMs;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const waitMs = await once();
      await pause(waitMs, stopping.signal).catch(() => {});
    }
  }

  return {
    get connected() {
      return connected;
    },
    start() {
      running ??= run();
    },
    async stop() {
      stopping.abort(new CallError("CANCELLED", "the sidecar is stopping"));
      await running;
    },
  };
}
