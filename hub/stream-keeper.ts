import { asError, type Clock, elapsedMs, type Instant, instant, type Logger } from "@heauth/program";
import { CallError } from "@heauth/protocol";
import { type Caller, isRefusal } from "./callers.ts";
import type { Stream } from "./stream.ts";

/** Between two looks at all streams, ms. */
const TICK_MS = 1_000;
/** How long, about, a caller is left alone when it could not be found out what it is, ms. */
const RETRY_MS = 5_000;

export interface StreamKeeperOptions {
  clock: Clock;
  log: Logger;
  /** How long a stream lives, ms, give or take a half; so that sidecars spread over the hubs anew. */
  lifeMs: number;
  /** How long a caller is taken for what it was, at most, ms. */
  recheckMs: number;
  /** The caller is no longer quite what it was. */
  onChanged(stream: Stream): void;
}

/** Ends streams whose caller is nobody any more, whose proof has expired, or whose time is over; looks again and again. */
export interface StreamKeeper {
  keep(stream: Stream): void;
  leave(stream: Stream): void;
  start(): void;
  stop(): void;
}

interface Kept {
  readonly begun: Instant;
  readonly lifeMs: number;
  seen: Instant;
  recheckMs: number;
  looking: boolean;
}

export function createStreamKeeper({ clock, log, lifeMs, recheckMs, onChanged }: StreamKeeperOptions): StreamKeeper {
  const streams = new Map<Stream, Kept>();
  let timer: NodeJS.Timeout | undefined;

  /** Spread out: many streams begin at once, after a hub's start. */
  const nextRecheckMs = () => recheckMs * (0.7 + 0.3 * Math.random()) - TICK_MS;

  function tick(): void {
    for (const [stream, kept] of streams) visit(stream, kept);
  }

  function visit(stream: Stream, kept: Kept): void {
    const { proof } = stream.caller;
    if (proof === undefined) return;
    // In order: the sidecar comes back at once, with the token that it has by now.
    if (clock.wallMs() >= proof.expiresAtMs || elapsedMs(clock, kept.begun) >= kept.lifeMs) {
      streams.delete(stream);
      stream.goodbye(0);
    } else if (!kept.looking && elapsedMs(clock, kept.seen) >= kept.recheckMs) {
      void recheck(stream, kept, proof.again);
    }
  }

  async function recheck(stream: Stream, kept: Kept, again: () => Promise<Caller>): Promise<void> {
    kept.looking = true;
    const begun = instant(clock);
    try {
      const caller = await again();
      if (!streams.has(stream)) return;
      kept.seen = begun;
      kept.recheckMs = nextRecheckMs();
      stream.caller = caller;
      onChanged(stream);
    } catch (error) {
      if (!(error instanceof CallError)) log.error({ err: asError(error) }, "a sidecar's pod could not be looked at");
      if (!(error instanceof CallError && isRefusal(error))) {
        // What can't be found out now is asked again soon: the stream stands for as long as its proof does.
        kept.seen = begun;
        kept.recheckMs = Math.min(RETRY_MS * (0.5 + Math.random()), kept.recheckMs);
        return;
      }
      if (!streams.delete(stream)) return;
      const { namespace, pod } = stream.caller;
      log.info({ namespace, pod, reason: error.message }, "a sidecar's stream is ended");
      stream.end(error);
    } finally {
      kept.looking = false;
    }
  }

  return {
    keep(stream) {
      const now = instant(clock);
      const life = lifeMs * (0.5 + Math.random());
      streams.set(stream, { begun: now, lifeMs: life, seen: now, recheckMs: nextRecheckMs(), looking: false });
    },
    leave: (stream) => void streams.delete(stream),
    start() {
      timer = setInterval(tick, TICK_MS);
    },
    stop: () => clearInterval(timer),
  };
}
