import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import { methodDefinition } from "./definition.ts";
import { CallError, fromStatus } from "./errors.ts";
import { type Changing, clientCredentials } from "./tls.ts";

export interface ConnectOptions {
  /** gRPC target, such as `unix:/run/hub.sock` or `dns:hub.heauth-system:8443`. */
  target: string;
  /** Speaks TLS, to a server that these certificate authorities (PEM) vouch for; in the clear without it. */
  authorities?: Changing<Buffer> | undefined;
  /** Sent with every call; asked each time. */
  headers?: (() => Readonly<Record<string, string>>) | undefined;
  /** A server that does not answer a ping for this long is gone, ms; found out by calls only unless given. */
  keepAliveMs?: number | undefined;
  /** Longest message taken in, in bytes. */
  maxMessageBytes: number;
  /** Longest wait between two attempts to connect. */
  maxReconnectMs: number;
}

export interface CallOptions {
  /** Milliseconds after which the call ends with DEADLINE_EXCEEDED; every call has one. */
  deadlineMs: number;
  /** Hangs up when it aborts: the call ends with CANCELLED. */
  signal?: AbortSignal;
}

type Unary<M extends GenServiceMethods> = {
  [K in keyof M]: M[K]["methodKind"] extends "unary" ? K : never;
}[keyof M];
type Bidi<M extends GenServiceMethods> = Exclude<keyof M, Unary<M>>;

/** A connection to a service; it connects by itself, and again whenever it is lost. */
export interface ServiceClient<M extends GenServiceMethods> {
  /** Rejects with a `CallError`. */
  call<K extends Unary<M>>(
    method: K,
    request: MessageInitShape<M[K]["input"]>,
    options: CallOptions,
  ): Promise<MessageShape<M[K]["output"]>>;
  /** Opens a stream; its end is told by its `error` event (see `fromStatus`) or `end`. */
  open<K extends Bidi<M>>(method: K): ClientDuplexStream<MessageInitShape<M[K]["input"]>, MessageShape<M[K]["output"]>>;
  close(): void;
}

export function connect<M extends GenServiceMethods>(
  service: GenService<M>,
  { target, authorities, headers, keepAliveMs, maxMessageBytes, maxReconnectMs }: ConnectOptions,
): ServiceClient<M> {
  const channel = authorities === undefined ? credentials.createInsecure() : clientCredentials(authorities);
  const client = new Client(target, channel, {
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.initial_reconnect_backoff_ms": Math.min(100, maxReconnectMs),
    "grpc.max_reconnect_backoff_ms": maxReconnectMs,
    // Only of calls that no server has looked at: a connection is closed to new ones while they are on their way.
    "grpc.enable_retries": authorities === undefined ? 0 : 1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    ...(keepAliveMs === undefined
      ? {}
      : { "grpc.keepalive_time_ms": keepAliveMs, "grpc.keepalive_timeout_ms": keepAliveMs }),
  });

  function definitionOf(method: keyof M) {
    return methodDefinition(service.method[method]);
  }
  function metadata(): Metadata {
    const sent = new Metadata();
    for (const [name, value] of Object.entries(headers?.() ?? {})) sent.set(name, value);
    return sent;
  }
  return {
    call(method, request, { deadlineMs, signal }) {
      const { path, requestSerialize, responseDeserialize } = definitionOf(method);
      const { promise, resolve, reject } = Promise.withResolvers<MessageShape<M[typeof method]["output"]>>();
      const deadline = Date.now() + deadlineMs;
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata(),
        { deadline },
        (error, response) => {
          signal?.removeEventListener("abort", hangUp);
          if (error !== null) reject(fromStatus(error));
          else if (response === undefined) reject(new CallError("INTERNAL", "an answer without a message"));
          else resolve(response as MessageShape<M[typeof method]["output"]>);
        },
      );
      const hangUp = () => call.cancel();
      if (signal?.aborted) hangUp();
      else signal?.addEventListener("abort", hangUp, { once: true });
      return promise;
    },
    open(method) {
      const { path, requestSerialize, responseDeserialize } = definitionOf(method);
      return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata()) as ReturnType<
        ServiceClient<M>["open"]
      >;
    },
    close: () => client.close(),
  };
}
