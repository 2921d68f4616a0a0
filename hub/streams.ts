import { setTimeout as wait } from "node:timers/promises";
import { asError, type Clock, type Logger, withDeadline } from "@heauth/program";
import { CallError, type Hello, PROTOCOL, type SyncRequest, type SyncServerStream } from "@heauth/protocol";
import type { Caller, CallerResolver } from "./callers.ts";
import type { EventListener, EventReader } from "./event-reader.ts";
import type { History } from "./history.ts";
import type { Notes } from "./notes.ts";
import { createOutgoing, type Outgoing } from "./outgoing.ts";
import type { PolicyBoard } from "./policy-board.ts";
import { malformed, overloaded, refusalOf, unavailable } from "./refusals.ts";
import { hearSidecar } from "./sidecar-words.ts";
import { createStream, type Stream } from "./stream.ts";
import { createStreamKeeper } from "./stream-keeper.ts";

/** A sidecar that says nothing is not kept waiting for. */
const HELLO_MS = 5000;
/** Of one pod: its sidecar has one, and it is found out only after a while that others of it are dead. */
const MAX_STREAMS_OF_POD = 4;
/** How long a stream waits for a hub that has only just started. */
const READY_MS = 2000;
const MAX_CURSORS = 1000;
/** How long sidecars spread out before they come back from a hub that stopped, ms. */
const RECONNECT_MS = 500;

export interface StreamsOptions {
  reader: Pick<EventReader, "store" | "ready" | "ageMs">;
  history: History;
  board: PolicyBoard;
  notes: Notes;
  registrar: string;
  clock: Clock;
  log: Logger;
  limits: StreamLimits;
}

export interface StreamLimits {
  /** Messages that may wait for a slow sidecar, and how long they may wait without any getting on, ms. */
  maxWaiting: number;
  maxBlockedMs: number;
  /** Of streams whose callers may become others: how long they live, about, and how often they are looked at, at least, ms. */
  lifeMs: number;
  recheckMs: number;
}

/** All sidecars' streams. */
export interface Streams {
  readonly size: number;
  /** Speaks on a stream until it ends. */
  serve(call: SyncServerStream, callers: CallerResolver): void;
  /** To be told of the outbox. */
  readonly listener: EventListener;
  /** Tells each stream what is new of its policies. */
  tellPolicies(): void;
  start(): void;
  /** Welcomes nobody any more, and says goodbye to all, spread over this time, ms; at once when `deadline` aborts. */
  stop(overMs: number, deadline: AbortSignal): Promise<void>;
}

export function createStreams(options: StreamsOptions): Streams {
  const { reader, history, board, notes, registrar, clock, log } = options;
  const { lifeMs, recheckMs } = options.limits;
  const streams = new Set<Stream>();
  const keeper = createStreamKeeper({ clock, log, lifeMs, recheckMs, onChanged: tell });
  let stopping = false;

  function tell(stream: Stream): void {
    stream.policies(board.servedTo(stream.caller));
  }

  /** What a pod that opens stream after stream takes, it takes from itself. */
  function makeRoom({ uid }: Caller): void {
    if (uid === undefined) return;
    const own = [...streams].filter(({ caller }) => caller.uid === uid);
    for (const oldest of own.slice(0, Math.max(0, own.length + 1 - MAX_STREAMS_OF_POD))) oldest.end(overloaded());
  }

  async function know(call: SyncServerStream, callers: CallerResolver, hello: Hello): Promise<Caller> {
    if (hello.protocol !== PROTOCOL) throw malformed(`protocol ${hello.protocol} is not served`);
    if (hello.cursors.length > MAX_CURSORS) throw malformed("too many cursors");
    const caller = await callers.resolve(call.metadata);
    await board.know(caller.namespace);
    await withDeadline(READY_MS, "the first read of the outbox", () => reader.ready).catch(() => {
      throw unavailable();
    });
    return caller;
  }

  /** In one turn: no event and no policy comes in between. */
  function welcome(caller: Caller, outgoing: Outgoing, hello: Hello): Stream {
    const { store } = reader;
    if (store === undefined || stopping) throw unavailable();
    makeRoom(caller);
    const stream = createStream({ caller, hello, outgoing, history, store, registrar });
    tell(stream);
    if (!outgoing.ended) {
      streams.add(stream);
      keeper.keep(stream);
    }
    const { namespace, pod, uid, image } = caller;
    const { version, features } = hello;
    log.info({ namespace, pod, uid, image, version, features: features.length }, "a sidecar connected");
    return stream;
  }

  function serve(call: SyncServerStream, callers: CallerResolver): void {
    const outgoing = createOutgoing({ stream: call, ...options.limits });
    const fail = (error: unknown) => outgoing.end(callError(error, log));
    const silent = setTimeout(() => fail(malformed("no Hello")), HELLO_MS);
    let stream: Stream | undefined;
    let greeted = false;

    function greet(hello: Hello): void {
      greeted = true;
      clearTimeout(silent);
      know(call, callers, hello)
        .then((caller) => {
          if (!outgoing.ended) stream = welcome(caller, outgoing, hello);
        })
        .catch(fail);
    }
    function take({ message }: SyncRequest): void {
      if (stream !== undefined) hearSidecar(message, stream, { notes, history, ageMs: reader.ageMs });
      else if (greeted || message.case !== "hello") throw malformed("the first message is Hello, then comes Welcome");
      else greet(message.value);
    }
    function over(): void {
      clearTimeout(silent);
      if (stream !== undefined) {
        streams.delete(stream);
        keeper.leave(stream);
      }
      outgoing.end();
    }
    call.on("data", (request: SyncRequest) => {
      try {
        take(request);
      } catch (error) {
        fail(error);
      }
    });
    for (const event of ["end", "error", "cancelled", "close"]) call.on(event, over);
  }

  return {
    get size() {
      return streams.size;
    },
    serve,
    listener: {
      event(event) {
        for (const stream of streams) stream.event(event);
        if (event.kind === "policy.changed" || event.kind === "tenant.changed") board.refresh();
      },
      interrupted(tenantId) {
        for (const stream of streams) if (stream.hears(tenantId)) stream.end(unavailable());
        // Among what was missed may have been a policy's change.
        board.refresh();
      },
      storeChanged() {
        for (const stream of streams) stream.end(unavailable());
        board.refresh();
      },
      complete() {
        for (const stream of streams) stream.settle();
        void notes.flush();
      },
    },
    tellPolicies() {
      for (const stream of streams) tell(stream);
    },
    start: () => keeper.start(),
    async stop(overMs, deadline) {
      stopping = true;
      keeper.stop();
      const leaving = [...streams];
      const restMs = overMs / Math.max(1, leaving.length);
      for (const stream of leaving) {
        stream.goodbye(RECONNECT_MS);
        if (!deadline.aborted) await wait(restMs, undefined, { signal: deadline }).catch(() => {});
      }
    },
  };
}

/** What the stream ends with; a mistake of ours is logged, and not told. */
function callError(thrown: unknown, log: Logger): CallError {
  const error = refusalOf(thrown);
  if (error instanceof CallError) return error;
  log.error({ err: asError(error) }, "a stream failed");
  return new CallError("INTERNAL", "internal error");
}
