import {
  type ClusterClient,
  isClusterError,
  type KubeObject,
  type ResourceType,
  type Selection,
  type WatchEvent,
} from "@heauth/program/kubernetes";

/** After how long the server itself ends a watch, so that watches spread over its replicas anew. */
const SERVER_ENDS_AFTER_S = 300;

export interface WatchOnceOptions<O extends KubeObject> {
  readonly client: ClusterClient;
  readonly type: ResourceType;
  readonly selection: Selection;
  readonly resourceVersion: string;
  /** Silence for so long means that nobody is there. */
  readonly quietMs: number;
  /** After so long it is given up for a new list. */
  readonly untilMs: number;
  readonly onOpen: () => void;
  readonly onEvent: (event: WatchEvent<O>) => void;
}

/**
 * Follows one watch. `ended`: by the server, in order; `cut`: the connection broke; `quiet`: given up, because nothing was heard;
 * `due`: given up, because it is time to list again. Other failures reject, and so does the signal's abort.
 */
export async function watchOnce<O extends KubeObject>(
  { client, type, selection, resourceVersion, quietMs, untilMs, onOpen, onEvent }: WatchOnceOptions<O>,
  signal: AbortSignal,
): Promise<"ended" | "cut" | "quiet" | "due"> {
  const giveUp = new AbortController();
  let why: "quiet" | "due" | undefined;
  let isOpen = false;
  const give = (reason: "quiet" | "due") => () => {
    why ??= reason;
    giveUp.abort();
  };
  /** From when it is open: the client itself gives up a server that does not even answer. */
  let quiet: NodeJS.Timeout | undefined;
  const due = setTimeout(give("due"), untilMs);
  const opened = () => {
    isOpen = true;
    quiet = setTimeout(give("quiet"), quietMs);
    onOpen();
  };
  const heard = (event: WatchEvent<O>) => {
    quiet?.refresh();
    onEvent(event);
  };

  try {
    const watch = { ...selection, resourceVersion, timeoutSeconds: SERVER_ENDS_AFTER_S, onOpen: opened };
    await client.watch<O>(type, watch, heard, AbortSignal.any([signal, giveUp.signal]));
    return "ended";
  } catch (error) {
    signal.throwIfAborted();
    if (why !== undefined) return why;
    if (isOpen && isClusterError(error, "Unreachable")) return "cut";
    throw error;
  } finally {
    clearTimeout(quiet);
    clearTimeout(due);
  }
}
