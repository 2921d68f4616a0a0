import { asError, type Logger, withDeadline } from "@heauth/program";
import { CallError, type Hello, PROTOCOL, type SyncRequest, type SyncServerStream } from "@heauth/protocol";
import type { Caller, CallerResolver } from "./callers.ts";
import type { EventListener, EventReader } from "./event-reader.ts";
import type { History } from "./history.ts";
import type { Notes } from "./notes.ts";
import { createOutgoing, type Outgoing } from "./outgoing.ts";
import type { PolicyBoard } from "./policy-board.ts";
import { malformed, refusalOf, unavailable } from "./refusals.ts";
import { hearSidecar } from "./sidecar-words.ts";
import { createStream, type Stream } from "./stream.ts";

/** A sidecar that says nothing is not kept waiting for. */
const HELLO_MS = 5000;
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
  log: Logger;
  /** Messages that may wait for a slow sidecar, and how long they may wait without any getting on. */
  limits: { maxWaiting: number; maxBlockedMs: number };
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
  goodbye(): void;
}

export function createStreams(options: StreamsOptions): Streams {
  const { reader, history, board, notes, registrar, log } = options;
  const streams = new Set<Stream>();

  async function know(call: SyncServerStream, callers: CallerResolver, hello: Hello): Promise<Caller> {
    if (hello.protocol !== PROTOCOL) throw malformed(`protocol ${hello.protocol} is not served`);
    if (hello.cursors.length > MAX_CURSORS) throw malformed("too many cursors");
    const caller = await callers.resolve(call.metadata);
    await board.know(caller.policies);
    await withDeadline(READY_MS, "the first read of the outbox", () => reader.ready).catch(() => {
      throw unavailable();
    });
    return caller;
  }

  /** In one turn: no event and no policy comes in between. */
  function welcome(caller: Caller, outgoing: Outgoing, hello: Hello): Stream {
    const { store } = reader;
    if (store === undefined) throw unavailable();
    const stream = createStream({ caller, hello, outgoing, history, store, registrar });
    stream.policies(board.named(caller.policies));
    if (!outgoing.ended) streams.add(stream);
    const { namespace, pod } = caller;
    log.info({ namespace, pod, version: hello.version, features: hello.features.length }, "a sidecar connected");
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
      if (stream !== undefined) hearSidecar(message, stream, { board, notes, history, ageMs: reader.ageMs });
      else if (greeted || message.case !== "hello") throw malformed("the first message is Hello, then comes Welcome");
      else greet(message.value);
    }
    function over(): void {
      clearTimeout(silent);
      if (stream !== undefined) streams.delete(stream);
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
      for (const stream of streams) stream.policies(board.named(stream.caller.policies));
    },
    goodbye() {
      for (const stream of streams) stream.goodbye(RECONNECT_MS);
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
