import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import {
  type handleBidiStreamingCall,
  type Metadata,
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { serviceDefinition } from "./definition.ts";
import { CallError, toStatus } from "./errors.ts";

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
}

export interface ServeOptions<M extends GenServiceMethods> extends ServerLimits {
  handlers: Handlers<M>;
  /** Told of what a handler threw that is not a `CallError`: a mistake of ours, answered as INTERNAL without its message. */
  onUnexpected(error: unknown, method: string): void;
}

/** A gRPC server for one service, bound to nothing yet. */
export function createServer<M extends GenServiceMethods>(service: GenService<M>, options: ServeOptions<M>): Server {
  const server = new Server({
    "grpc.max_receive_message_length": options.maxMessageBytes,
    "grpc.max_concurrent_streams": options.maxConcurrentCalls,
  });
  const implementation: UntypedServiceImplementation = {};
  for (const { localName, methodKind } of service.methods) {
    const handler: unknown = options.handlers[localName];
    if (methodKind === "unary")
      implementation[localName] = unary(localName, handler as UnaryHandler, options.onUnexpected);
    else implementation[localName] = handler as handleBidiStreamingCall<unknown, unknown>;
  }
  server.addService(serviceDefinition(service), implementation);
  return server;
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
