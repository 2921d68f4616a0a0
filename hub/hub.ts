import type { ProgramKey } from "@heauth/core/keys";
import { asError, type Clock, formatHostPort, type Logger, type Metrics, type Part } from "@heauth/program";
import { createServer, Hub, type ServerLimits, type ServiceServer } from "@heauth/protocol";
import type { Database } from "@heauth/store";
import type { CallerResolver } from "./callers.ts";
import { createCalls } from "./calls.ts";
import { type Door, isOnNetwork } from "./doors.ts";
import { createEventReader } from "./event-reader.ts";
import { createHistory } from "./history.ts";
import { createJournalOwners } from "./journal-owners.ts";
import { createNotes } from "./notes.ts";
import { createPolicyBoard } from "./policy-board.ts";
import { closeToOthers, prepareSocket } from "./sockets.ts";
import { createStreams } from "./streams.ts";

export interface HubOptions {
  /** Opened as heauth_hub. */
  database: Database;
  /** The hub's own: countersigns journals. */
  programKey: ProgramKey;
  doors: readonly Door[];
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  /** Over how long a hub that stops says goodbye to its sidecars, ms, so that they don't all come to the others at once; 0 unless given. */
  goodbyesMs?: number;
  /** Changed by tests only. */
  limits?: Partial<HubLimits>;
}

export interface HubLimits {
  /** Between two reads of the outbox, ms. */
  readEvery: number;
  /** Between two attempts to reach the store, at most, ms. */
  reconnect: number;
  lookUps: number;
  appends: number;
  /** Messages that may wait for a slow sidecar, and for how long they may, ms. */
  maxWaiting: number;
  maxBlockedMs: number;
  /** Of streams by the network: how long they live, about, and how often it is looked who they are of, at least, ms. */
  streamLife: number;
  recheck: number;
}

export interface RunningHub extends Part {
  /** Why it can't be sent sidecars yet; once it can, it always can. */
  notReady(): string | undefined;
  /** The ports of doors on the network, in their order. */
  readonly ports: readonly number[];
}

const defaultLimits: HubLimits = {
  readEvery: 200,
  reconnect: 1000,
  lookUps: 64,
  appends: 16,
  maxWaiting: 4096,
  maxBlockedMs: 5000,
  streamLife: 600_000,
  recheck: 30_000,
};

/** 4 MiB of segments and what surrounds them. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024 + 64 * 1024;
const MAX_CONCURRENT_CALLS = 100;
const KEEP_ALIVE_MS = 5000;
/** How long a hub that stops waits for the calls that are under way: sidecars repeat what was cut off. */
const CALLS_MS = 5000;
/** On the network, where anybody may connect, and where sidecars must come to know of other hubs. */
const NETWORK_LIMITS: Partial<ServerLimits> = { idleMs: 60_000, connectionAgeMs: 600_000 };

/** The sidecars' control plane. Starts, and welcomes sidecars as soon as it has read the store; holds no secret of identity's. */
export function createHub(options: HubOptions): RunningHub {
  const { database, programKey, doors, clock, log, metrics, goodbyesMs = 0 } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { readEvery, reconnect, lookUps, appends, maxWaiting, maxBlockedMs } = limits;
  const history = createHistory();
  const owners = createJournalOwners();
  const notes = createNotes(database, owners, log);
  const board = createPolicyBoard({ database, log, onChanged: () => streams.tellPolicies() });
  const reader = createEventReader({
    database,
    history,
    listener: {
      event: (event) => {
        metrics.counter("heauth_outbox_events_total", { type: event.kind }).add();
        streams.listener.event(event);
      },
      interrupted: (tenantId) => streams.listener.interrupted(tenantId),
      storeChanged: () => streams.listener.storeChanged(),
      complete: () => streams.listener.complete(),
    },
    clock,
    log,
    everyMs: readEvery,
    reconnectMs: reconnect,
  });
  const streams = createStreams({
    reader,
    history,
    board,
    notes,
    registrar: programKey.id,
    clock,
    log,
    limits: { maxWaiting, maxBlockedMs, lifeMs: limits.streamLife, recheckMs: limits.recheck },
  });
  const callsOf = createCalls({
    database,
    hubKey: programKey,
    board,
    owners,
    store: () => reader.store,
    clock,
    log,
    metrics,
    limits: { lookUps, appends },
  });
  const servers: ServiceServer[] = [];
  const ports: number[] = [];
  let hasRead = false;
  metrics.gauge("heauth_hub_streams", () => streams.size);
  metrics.gauge("heauth_outbox_read_age_seconds", () => (reader.ageMs() ?? Number.NaN) / 1000);

  function serverOf(callers: CallerResolver, more: Partial<ServerLimits> = {}): ServiceServer {
    const server = createServer(Hub, {
      handlers: { ...callsOf(callers), sync: (call) => streams.serve(call, callers) },
      admit: async (metadata) => void (await callers.resolve(metadata)),
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxConcurrentCalls: MAX_CONCURRENT_CALLS,
      keepAliveMs: KEEP_ALIVE_MS,
      ...more,
      onUnexpected: (error, call) => log.error({ err: asError(error), call }, "a call failed"),
    });
    servers.push(server);
    return server;
  }

  async function open(door: Door): Promise<void> {
    if (isOnNetwork(door)) {
      const server = serverOf(door.callers, NETWORK_LIMITS);
      ports.push(await server.listen(formatHostPort(door.listen), door.identity));
      log.info({ port: ports.at(-1) }, "sidecars are welcome by TLS");
      return;
    }
    await prepareSocket(door.socket);
    await serverOf(door.callers).listen(`unix:${door.socket}`);
    await closeToOthers(door.socket);
  }

  return {
    name: "hub",
    ports,
    notReady: () => (hasRead ? undefined : "the store was not read yet"),
    async start() {
      void reader.ready.then(() => {
        hasRead = true;
      });
      reader.start();
      streams.start();
      for (const door of doors) await open(door);
    },
    async stop(deadline) {
      // The servers take no more connections and calls from now on; what sidecars ask meanwhile goes to other hubs.
      const patience = AbortSignal.any([deadline, AbortSignal.timeout(goodbyesMs + CALLS_MS)]);
      const stopped = Promise.all(servers.map((server) => server.stop(patience)));
      await streams.stop(goodbyesMs, patience);
      await stopped;
      await Promise.all([reader.stop(), board.stop()]);
      await notes.flush();
    },
  };
}
