import {
  asError,
  type Clock,
  type Counter,
  elapsedMs,
  type Instant,
  instant,
  type Logger,
  type Metrics,
  type Part,
} from "@heauth/program";
import * as z from "zod";
import { SidecarError } from "../errors.ts";
import { askEnvoy } from "./envoy-admin.ts";

/** Begins the names of Envoy's counts; the port comes after it. */
export const PASSTHROUGH_STATS = "passthrough_";

const LOOK_EVERY_MS = 5_000;
const TELL_EVERY_MS = 60_000;
const ANSWER_WITHIN_MS = 2_000;
const PATH = `/stats?format=json&usedonly&filter=${encodeURIComponent(`^tcp\\.${PASSTHROUGH_STATS}`)}`;

const answer = z.object({
  stats: z.array(z.looseObject({ name: z.string().optional(), value: z.unknown().optional() })),
});

/** Of one port, since its count in Envoy began. */
interface Passed {
  connections: number;
  bytesIn: number;
  bytesOut: number;
}

const fields: Readonly<Record<string, keyof Passed>> = {
  downstream_cx_total: "connections",
  downstream_cx_rx_bytes_total: "bytesIn",
  downstream_cx_tx_bytes_total: "bytesOut",
};

export interface PassthroughCountOptions {
  /** Unix socket of Envoy's admin interface. */
  readonly adminSocket: string;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lookEveryMs?: number;
  readonly tellEveryMs?: number;
}

/**
 * Follows what Envoy counts of ports that are let through, in the metrics, and in the log, sparingly: nothing else tells of it. Envoy begins
 * again when it starts, so what passed in the last seconds of one that died may be missing.
 */
export function createPassthroughCount(options: PassthroughCountOptions): Part {
  const { adminSocket, metrics, clock, log, lookEveryMs = LOOK_EVERY_MS, tellEveryMs = TELL_EVERY_MS } = options;
  const counters = new Map<string, Record<keyof Passed, Counter>>();
  let last: ReadonlyMap<string, Passed> = new Map();
  const untold = new Set<string>();
  let told: Instant | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  function countersOf(port: string): Record<keyof Passed, Counter> {
    const known = counters.get(port) ?? {
      connections: metrics.counter("heauth_passthrough_connections_total", { port }),
      bytesIn: metrics.counter("heauth_passthrough_bytes_total", { port, direction: "in" }),
      bytesOut: metrics.counter("heauth_passthrough_bytes_total", { port, direction: "out" }),
    };
    counters.set(port, known);
    return known;
  }

  function take(now: ReadonlyMap<string, Passed>): void {
    for (const [port, passed] of now) {
      const before = last.get(port);
      const counted = countersOf(port);
      for (const field of Object.values(fields)) {
        const known = before?.[field] ?? 0;
        const more = passed[field] < known ? passed[field] : passed[field] - known;
        if (more === 0) continue;
        counted[field].add(more);
        untold.add(port);
      }
    }
    last = now;
  }

  function tell(): void {
    for (const port of untold) log.info({ port, ...last.get(port) }, "let through, and not recorded");
    untold.clear();
    told = instant(clock);
  }

  async function look(deadline?: AbortSignal): Promise<void> {
    try {
      const patience = AbortSignal.timeout(ANSWER_WITHIN_MS);
      take(await readCounts(adminSocket, AbortSignal.any([patience, ...(deadline === undefined ? [] : [deadline])])));
    } catch (error) {
      log.debug({ err: asError(error) }, "Envoy does not say what it let through");
    }
    if (untold.size > 0 && (told === undefined || elapsedMs(clock, told) >= tellEveryMs)) tell();
  }

  const lookOnce = () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  return {
    name: "passthrough-count",
    async start() {
      timer = setInterval(() => void lookOnce(), lookEveryMs);
    },
    /** Looks a last time. */
    async stop(deadline) {
      clearInterval(timer);
      await looking;
      await look(deadline);
      tell();
    },
  };
}

async function readCounts(adminSocket: string, signal: AbortSignal): Promise<Map<string, Passed>> {
  const { status, body } = await askEnvoy(adminSocket, PATH, signal);
  if (status !== 200) throw new SidecarError("EnvoyAdmin", `Envoy answers ${status} to ${PATH}`);
  const counts = new Map<string, Passed>();
  for (const { name = "", value } of answer.parse(JSON.parse(body)).stats) {
    const [, port, what = ""] = /^tcp\.passthrough_(\d+)\.(\w+)$/.exec(name) ?? [];
    const field = Object.hasOwn(fields, what) ? fields[what] : undefined;
    if (port === undefined || field === undefined || typeof value !== "number") continue;
    const passed = counts.get(port) ?? { connections: 0, bytesIn: 0, bytesOut: 0 };
    passed[field] = value;
    counts.set(port, passed);
  }
  return counts;
}
