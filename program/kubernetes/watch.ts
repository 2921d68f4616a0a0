import type { IncomingMessage } from "node:http";
import { ClusterError, isClusterError } from "./errors.ts";
import type { Exchange, Outgoing } from "./exchange.ts";
import { lines } from "./lines.ts";
import type { KubeObject, WatchEvent } from "./objects.ts";
import { refusalOfStatus } from "./refusal.ts";

/** How long the server may take to accept a watch. */
const OPEN_WITHIN_MS = 10_000;
const TYPES = new Set<unknown>(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

interface Listener<T extends KubeObject> {
  readonly onEvent: (event: WatchEvent<T>) => void;
  readonly onOpen: (() => void) | undefined;
}

/** Follows a watch to its end. Rejects with ClusterError, with the signal's reason, or with what a listener throws. */
export async function watch<T extends KubeObject>(
  exchange: Exchange,
  request: Outgoing,
  { onEvent, onOpen }: Listener<T>,
  signal: AbortSignal,
): Promise<void> {
  const answer = await opened(exchange, request, signal);
  try {
    onOpen?.();
    for await (const event of eventsOf<T>(request, answer, signal)) onEvent(event);
  } finally {
    answer.destroy();
  }
}

async function opened(exchange: Exchange, request: Outgoing, signal: AbortSignal): Promise<IncomingMessage> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), OPEN_WITHIN_MS);
  try {
    return await exchange(request, AbortSignal.any([signal, late.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (!late.signal.aborted) throw error;
    throw new ClusterError("Timeout", `${request.what}: no answer within ${OPEN_WITHIN_MS} ms`);
  } finally {
    clearTimeout(timer);
  }
}

/** Whatever is thrown in here has to do with the connection; what listeners throw is not. */
async function* eventsOf<T extends KubeObject>(
  request: Outgoing,
  answer: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  try {
    for await (const line of lines(answer)) yield eventIn<T>(request, line);
  } catch (error) {
    signal.throwIfAborted();
    if (isClusterError(error)) throw error;
    throw new ClusterError("Unreachable", `${request.what}: the connection broke off`, { cause: error });
  }
}

function eventIn<T extends KubeObject>({ what }: Outgoing, line: string): WatchEvent<T> {
  let event: { type?: unknown; object?: T } | null;
  try {
    event = JSON.parse(line);
  } catch {
    throw new ClusterError("ServerError", `${what}: a line is not JSON`);
  }
  if (event?.type === "ERROR") throw refusalOfStatus(what, event.object);
  if (!TYPES.has(event?.type) || typeof event?.object?.metadata !== "object") {
    throw new ClusterError("ServerError", `${what}: a line is not an event`);
  }
  return event as WatchEvent<T>;
}
