import {
  asError,
  type Clock,
  createBackoff,
  elapsedMs,
  instant,
  type Logger,
  type Metrics,
  type Part,
  pause,
  systemClock,
} from "@heauth/program";
import {
  type ClusterClient,
  isClusterError,
  type KubeObject,
  type ObjectName,
  type ResourceType,
  type WatchEvent,
} from "@heauth/program/kubernetes";
import { type Change, type Entry, Kept, type ObjectKey } from "./kept.ts";
import { listAll } from "./list-all.ts";
import { createTrouble } from "./trouble.ts";
import { watchOnce } from "./watch-once.ts";

/** The API server sends a bookmark about once a minute: silence for longer is more than a quiet time. */
const QUIET_MS = 90_000;
const RELIST_MS = 30 * 60_000;
const BACKOFF = { firstMs: 500, maxMs: 10_000 };
/** A watch that stood for so long was a good one: what happens then begins the waits anew. */
const HEALTHY_MS = 10_000;
const MOST_RETRY_AFTER_MS = 60_000;

export interface InformerOptions<O extends KubeObject, V> {
  readonly client: ClusterClient;
  readonly type: ResourceType;
  /** All namespaces unless given. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** What to keep of an object; the rest is forgotten. */
  readonly project: (object: O) => V;
  /** Called when `get` and `list` answer with the change already. Never twice for one version of an object. */
  readonly onChange: (key: ObjectKey, now: V | undefined, before: V | undefined) => void;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** In logs and metrics. */
  readonly name: string;
  /** How often all is listed again, though nothing failed, give or take a fifth; half an hour unless given. */
  readonly relistMs?: number;
  /** How long a watch may be silent before it is taken for dead; 90 s unless given. */
  readonly quietMs?: number;
  readonly clock?: Clock;
}

/** Objects of one type as the API server has them, kept up to date. */
export interface Informer<V> extends Part {
  /** Resolves when all has been listed and told of once; never if the informer is stopped before. */
  readonly synced: Promise<void>;
  get(name: ObjectName): V | undefined;
  /** Of one namespace, or of all. */
  list(namespace?: string): V[];
  readonly size: number;
  /** Why what is kept may be old, or is not there yet; undefined while it follows. */
  problem(): string | undefined;
}

/**
 * Lists, then watches, and begins again whatever happens: a watch that broke off goes on from where it was; any other failure
 * leads to a new list, which finds what was missed, deletions too. `start` does not wait for the API server.
 */
export function createInformer<O extends KubeObject, V>(options: InformerOptions<O, V>): Informer<V> {
  const { client, type, name, relistMs = RELIST_MS, quietMs = QUIET_MS, clock = systemClock } = options;
  const { namespace, labelSelector, fieldSelector } = options;
  const selection = {
    ...(namespace !== undefined && { namespace }),
    ...(labelSelector && { labelSelector }),
    ...(fieldSelector && { fieldSelector }),
  };
  const log = options.log.child({ informer: name });
  const trouble = createTrouble(log, `cannot follow ${type.plural}`);
  const backoff = createBackoff(BACKOFF);
  const kept = new Kept<V>();
  const synced = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let isSynced = false;
  let running: Promise<void> = Promise.resolve();
  /** When the API server last said something. */
  let contact = instant(clock);
  /** The resource version to go on from; undefined: list first. */
  let cursor: string | undefined;
  let listedAt = instant(clock);
  let opened: typeof contact | undefined;
  const restarted = measure(options, kept, () => elapsedMs(clock, contact) / 1000);

  function tell({ key, now, before }: Change<V>): void {
    try {
      options.onChange(key, now, before);
    } catch (error) {
      log.error({ object: key, err: asError(error) }, "a change could not be told");
    }
  }

  /** An object that cannot be read must not keep us from the others; what was known of it stays. */
  function entryOf(object: O): Entry<V> | undefined {
    const { uid, resourceVersion } = object.metadata;
    const key = keyOf(object);
    try {
      return { key, uid, resourceVersion, value: options.project(object) };
    } catch (error) {
      log.error({ object: key, err: asError(error) }, "an object could not be read; what is known of it stays");
      return kept.entry(key);
    }
  }

  async function list(signal: AbortSignal): Promise<string> {
    let entries: Entry<V>[] = [];
    const resourceVersion = await listAll<O>(client, type, selection, {
      begin: () => {
        entries = [];
      },
      each: (object) => {
        const entry = entryOf(object);
        if (entry !== undefined) entries.push(entry);
      },
      signal,
    });
    listedAt = contact = instant(clock);
    for (const change of kept.replaceAll(entries)) tell(change);
    isSynced = true;
    synced.resolve();
    return resourceVersion;
  }

  function take({ type: what, object }: WatchEvent<O>): void {
    contact = instant(clock);
    cursor = object.metadata.resourceVersion ?? cursor;
    if (what === "BOOKMARK") return;
    const entry = what === "DELETED" ? undefined : entryOf(object);
    const change = what === "DELETED" ? kept.remove(keyOf(object)) : entry && kept.put(entry);
    if (change !== undefined) tell(change);
  }

  /** One list, if it is due, and one watch; how long to wait before the next. */
  async function round(signal: AbortSignal): Promise<number> {
    opened = undefined;
    cursor ??= await list(signal);
    const untilMs = Math.max(0, relistMs * (0.8 + 0.4 * Math.random()) - elapsedMs(clock, listedAt));
    const onOpen = () => {
      opened = contact = instant(clock);
      trouble.over();
    };
    const watch = { client, type, selection, resourceVersion: cursor, quietMs, untilMs, onOpen, onEvent: take };
    const end = await watchOnce<O>(watch, signal);
    if (end === "due") cursor = undefined;
    if (end === "quiet" || end === "cut") restarted(end);
    return wasHealthy() && end !== "cut" ? 0 : backoff.next();
  }

  function wasHealthy(): boolean {
    if (opened === undefined || elapsedMs(clock, opened) < HEALTHY_MS) return false;
    backoff.reset();
    return true;
  }

  /** What to do about it: list again, after a while. */
  function failed(error: unknown): number {
    cursor = undefined;
    wasHealthy();
    if (isClusterError(error, "Gone")) {
      restarted("gone");
      log.info("too far behind to go on watching: lists again");
      return backoff.next();
    }
    restarted("error");
    trouble.report(error);
    const asked = isClusterError(error) ? Math.min(error.retryAfterMs ?? 0, MOST_RETRY_AFTER_MS) : 0;
    return Math.max(asked, backoff.next());
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await round(signal).catch((error) => (signal.aborted ? 0 : failed(error)));
      await pause(waitMs, signal).catch(() => {});
    }
  }

  return {
    name: `informer ${name}`,
    synced: synced.promise,
    get: (object) => kept.get(object),
    list: (space) => kept.list(space),
    get size() {
      return kept.size;
    },
    problem: () => trouble.message ?? (isSynced ? undefined : `${type.plural} have not been listed yet`),
    async start() {
      running = run(stopping.signal);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

function keyOf({ metadata: { namespace = "", name = "" } }: KubeObject): ObjectKey {
  return { namespace, name };
}

type Reason = "gone" | "cut" | "quiet" | "error";

function measure<O extends KubeObject, V>(
  { metrics, name: informer }: InformerOptions<O, V>,
  kept: Kept<V>,
  lagSeconds: () => number,
): (reason: Reason) => void {
  metrics.gauge("heauth_informer_objects", () => [[{ informer }, kept.size]]);
  metrics.gauge("heauth_informer_lag_seconds", () => [[{ informer }, lagSeconds()]]);
  return (reason) => metrics.counter("heauth_informer_restarts_total", { informer, reason }).add();
}
