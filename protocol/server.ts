import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import {
  type handleBidiStreamingCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { serviceDefinition } from "./definition.ts";
import { CallError, toStatus } from "./errors.ts";
import { type Changing, type ServerIdentity, serverCredentials } from "./tls.ts";

export type { Metadata } from "@grpc/grpc-js";

/** What a unary handler knows of its call. */
export interface CallContext {
  readonly metadata: Metadata;
  /** Aborts when the caller hangs up or its deadline passes. */
  readonly signal: AbortSignal;
  /** Milliseconds that the caller still waits; Infinity where it gave no deadline. */
  remainingMs(): number;
}

/** One handler per method: unary ones throw a `CallError` to answer its status, streams speak for themselves. */
export type Handlers<M extends GenServiceMethods> = {
  readonly [K in keyof M]: M[K]["methodKind"] extends "bidi_streaming"
    ? (call: ServerDuplexStream<MessageShape<M[K]["input"]>, MessageInitShape<M[K]["output"]>>) => void
    : (request: MessageShape<M[K]["input"]>, context: CallContext) => Promise<MessageInitShape<M[K]["output"]>>;
};

export interface ServerLimits {
  /** Longest message taken in, in bytes; a longer one is RESOURCE_EXHAUSTED. */
  maxMessageBytes: number;
  /** Calls at once on one connection. */
  maxConcurrentCalls: number;
  /** A peer that does not answer a ping for this long is gone, ms. */
  keepAliveMs: number;
  /** A connection without a call is closed after this time, ms; never unless given. */
  idleMs?: number;
  /** A connection takes no more calls after about this time, ms, so that callers spread anew; those under way go on. */
  connectionAgeMs?: number;
}

export interface ServeOptions<M extends GenServiceMethods> extends ServerLimits {
  handlers: Handlers<M>;
  /** Asked of every call before anything of its messages is read; a `CallError` refuses it. */
  admit?(metadata: Metadata): Promise<void>;
  /** Told of what a handler threw that is not a `CallError`: a mistake of ours, answered as INTERNAL without its message. */
  onUnexpected(error: unknown, method: string): void;
}

/** A gRPC server of one service. */
export interface ServiceServer {
  /**
   * @param address such as `unix:/run/hub.sock` or `0.0.0.0:8443`
   * @param identity serves TLS with it; in the clear without one
   * @returns the port; 0 for a unix socket
   */
  listen(address: string, identity?: Changing<ServerIdentity>): Promise<number>;
  /** Takes no more calls, waits for those under way, and ends what is left when `deadline` aborts. */
  stop(deadline: AbortSignal): Promise<void>;
}

export function createServer<M extends GenServiceMethods>(
  service: GenService<M>,
  options: ServeOptions<M>,
): ServiceServer {
  const server = new Server({
    "grpc.max_receive_message_length": options.maxMessageBytes,
    "grpc.max_concurrent_streams": options.maxConcurrentCalls,
    "grpc.keepalive_time_ms": options.keepAliveMs,
    "grpc.keepalive_timeout_ms": options.keepAliveMs,
    ...(options.idleMs === undefined ? {} : { "grpc.max_connection_idle_ms": options.idleMs }),
    ...(options.connectionAgeMs === undefined ? {} : { "grpc.max_connection_age_ms": options.connectionAgeMs }),
    interceptors: options.admit === undefined ? [] : [gate(options.admit, options.onUnexpected)],
  });
  const implementation: UntypedServiceImplementation = {};
  for (const { localName, methodKind } of service.methods) {
    const handler: unknown = options.handlers[localName];
    if (methodKind === "unary")
      implementation[localName] = unary(localName, handler as UnaryHandler, options.onUnexpected);
    else implementation[localName] = handler as handleBidiStreamingCall<unknown, unknown>;
  }
  server.addService(serviceDefinition(service), implementation);
  return {
    listen: (address, identity) =>
      new Promise((resolve, reject) => {
        const credentials = identity === undefined ? ServerCredentials.createInsecure() : serverCredentials(identity);
        server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(Math.max(0, port))));
      }),
    stop: (deadline) =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
        // A connection on which nobody ever spoke is not among those that can be ended; it is not waited for.
        const force = () => {
          server.forceShutdown();
          resolve();
        };
        if (deadline.aborted) force();
        else deadline.addEventListener("abort", force, { once: true });
      }),
  };
}

/** Whoever is not let in gets his status at once; what he sends is not read. */
function gate(
  admit: (metadata: Metadata) => Promise<void>,
  onUnexpected: (error: unknown, method: string) => void,
): ServerInterceptor {
  return ({ path }, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata, proceed) {
            admit(metadata).then(
              () => proceed(metadata),
              (error: unknown) => {
                if (!(error instanceof CallError)) onUnexpected(error, path);
                call.sendStatus(toStatus(error));
              },
            );
          },
        }),
    });
}

type UnaryHandler = (request: unknown, context: CallContext) => Promise<unknown>;

function unary(method: string, handler: UnaryHandler, onUnexpected: (error: unknown, method: string) => void) {
  return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): void => {
    const cancelled = new AbortController();
    call.once("cancelled", () => cancelled.abort(new CallError("CANCELLED", "the caller hung up")));
    const context = {
      metadata: call.metadata,
      signal: cancelled.signal,
      remainingMs: () => Math.max(0, Number(call.getDeadline()) - Date.now()),
    };
    handler(call.request, context).then(
      (response) => answer(null, response),
      (error: unknown) => {
        if (!(error instanceof CallError)) onUnexpected(error, method);
        answer(toStatus(error));
      },
    );
  };
}
