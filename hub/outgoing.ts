import { CallError, type SyncResponseInit, type SyncServerStream, toStatus } from "@heauth/protocol";

export interface OutgoingOptions {
  stream: SyncServerStream;
  /** Messages that may wait for a slow sidecar. */
  maxWaiting: number;
  /** How long they may wait without any getting on, ms. */
  maxBlockedMs: number;
}

/** What goes out on one stream, in order and without a miss: a stream that can't keep up is ended, never skipped. */
export interface Outgoing {
  readonly ended: boolean;
  send(message: NonNullable<SyncResponseInit["message"]>): void;
  /** Ends the stream, with an error's status or in order; what waits goes out before. */
  end(error?: CallError): void;
}

export function createOutgoing({ stream, maxWaiting, maxBlockedMs }: OutgoingOptions): Outgoing {
  let ended = false;
  let blocked: NodeJS.Timeout | undefined;

  function end(error?: CallError): void {
    if (ended) return;
    ended = true;
    clearTimeout(blocked);
    if (error === undefined) stream.end();
    else stream.emit("error", toStatus(error));
  }

  function overrun(): void {
    end(new CallError("RESOURCE_EXHAUSTED", "the stream is read too slowly"));
  }

  stream.on("drain", () => {
    clearTimeout(blocked);
    blocked = undefined;
  });
  stream.on("cancelled", () => {
    ended = true;
    clearTimeout(blocked);
  });
  return {
    get ended() {
      return ended;
    },
    send(message) {
      if (ended) return;
      if (stream.writableLength >= maxWaiting) overrun();
      else if (!stream.write({ message })) blocked ??= setTimeout(overrun, maxBlockedMs);
    },
    end,
  };
}
