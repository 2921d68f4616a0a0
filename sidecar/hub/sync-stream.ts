import { elapsedMs } from "@heauth/program";
import { CallError, fromStatus, PROTOCOL, type SyncClientStream, type SyncResponse } from "@heauth/protocol";
import { type ConversationParts, createConversation } from "./conversation.ts";

export interface SyncStreamOptions extends Omit<ConversationParts, "send"> {
  stream: SyncClientStream;
  version: string;
  features: readonly string[];
  /** Between two probes. */
  probeEveryMs: number;
  /** A stream on which no probe is answered for this long is given up. */
  silentAfterMs: number;
  /** Ends the stream: it rejects with the signal's reason. */
  signal: AbortSignal;
}

/** One stream's life. Resolves when the hub ends it, with how long to wait before the next; rejects with a `CallError`. */
export async function runSyncStream(options: SyncStreamOptions): Promise<{ reconnectAfterMs: number }> {
  const { stream, version, features, places, handlers, clock, signal } = options;
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const conversation = createConversation({ places, handlers, clock, send: (message) => stream.write({ message }) });

  function giveUp(reason: unknown): void {
    reject(reason);
    stream.cancel();
  }
  const abort = () => giveUp(signal.reason);

  stream.on("data", (response: SyncResponse) => {
    try {
      conversation.take(response);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      giveUp(error);
    }
  });
  stream.on("error", (error) => reject(fromStatus(error)));
  stream.on("end", resolve);
  signal.addEventListener("abort", abort, { once: true });
  const cursors = places.cursors();
  const hello = { protocol: PROTOCOL, version, features: [...features], store: places.store, cursors };
  stream.write({ message: { case: "hello", value: hello } });
  const timer = setInterval(() => {
    const silentMs = elapsedMs(clock, conversation.answeredAt);
    if (silentMs > options.silentAfterMs) giveUp(new CallError("DEADLINE_EXCEEDED", "the hub answers no probe"));
    else conversation.probe();
  }, options.probeEveryMs);

  try {
    await ended;
    return { reconnectAfterMs: conversation.reconnectAfterMs };
  } finally {
    clearInterval(timer);
    conversation.end();
    signal.removeEventListener("abort", abort);
    stream.removeAllListeners("data");
    handlers.sessions.ended();
  }
}
