import type { ProgramKey } from "@heauth/core/keys";
import { asError, type Clock, type Logger, type Metrics, type Part } from "@heauth/program";
import { createServer, Hub, type ServiceServer } from "@heauth/protocol";
import type { Database } from "@heauth/store";
import type { CallerResolver } from "./callers.ts";
import { createCalls } from "./calls.ts";
import { createEventReader } from "./event-reader.ts";
import { createHistory } from "./history.ts";
import { createJournalOwners } from "./journal-owners.ts";
import { createNotes } from "./notes.ts";
import { createPolicyBoard } from "./policy-board.ts";
import { closeToOthers, prepareSocket } from "./sockets.ts";
import { createStreams } from "./streams.ts";

/** A unix socket, and who calls by it. */
export interface Door {
  /** Absolute; its folder is the hub's own. */
  readonly socket: string;
  readonly callers: CallerResolver;
}

export interface HubOptions {
  /** Opened as heauth_hub. */
  database: Database;
  /** The hub's own: countersigns journals. */
  programKey: ProgramKey;
  doors: readonly Door[];
  clock: Clock;
  log: Logger;
  metrics: Metrics;
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
}

const defaultLimits: HubLimits = {
  readEvery: 200,
  reconnect: 1000,
  lookUps: 64,
  appends: 16,
  maxWaiting: 4096,
  maxBlockedMs: 5000,
};

/** 4 MiB of segments and what surrounds them. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024 + 64 * 1024;
const MAX_CONCURRENT_CALLS = 100;
const KEEP_ALIVE_MS = 5000;

/** The sidecars' control plane. Starts, and welcomes sidecars as soon as it has read the store; holds no secret of identity's. */
export function createHub({ database, programKey, doors, clock, log, metrics, limits }: HubOptions): Part {
  const { readEvery, reconnect, lookUps, appends, maxWaiting, maxBlockedMs } = { ...defaultLimits, ...limits };
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
    log,
    limits: { maxWaiting, maxBlockedMs },
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
  metrics.gauge("heauth_hub_streams", () => streams.size);
  metrics.gauge("heauth_outbox_read_age_seconds", () => (reader.ageMs() ?? Number.NaN) / 1000);

  async function open({ socket, callers }: Door): Promise<void> {
    await prepareSocket(socket);
    const server = createServer(Hub, {
      handlers: { ...callsOf(callers), sync: (call) => streams.serve(call, callers) },
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxConcurrentCalls: MAX_CONCURRENT_CALLS,
      keepAliveMs: KEEP_ALIVE_MS,
      onUnexpected: (error, call) => log.error({ err: asError(error), call }, "a call failed"),
    });
    await server.listen(`unix:${socket}`);
    servers.push(server);
    await closeToOthers(socket);
  }

  return {
    name: "hub",
    async start() {
      reader.start();
      for (const door of doors) await open(door);
    },
    async stop(deadline) {
      streams.goodbye();
      await Promise.all(servers.map((server) => server.stop(deadline)));
      await Promise.all([reader.stop(), board.stop()]);
      await notes.flush();
    },
  };
}
