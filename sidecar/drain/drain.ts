import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Logger, Part } from "@heauth/program";
import { hasMark, setMark } from "./mark.ts";
import { DRAIN_PATH, drainSocket, type Unshipped } from "./names.ts";

/**
 * Who had no request until then is taken for idle: closing a connection may meet a request on its way. Envoy takes a second and some more
 * for it; apps are told to stop after 5 s.
 */
const CLOSE_IDLE_AFTER_MS = 2_000;

export interface DrainOptions {
  /** Of Envoy's configuration: the mark and the socket are there. */
  readonly podEnvoy: string;
  readonly records: {
    /** From now on the disk goes away. */
    drain(): void;
    unshipped(): Unshipped;
  };
  readonly log: Logger;
}

/**
 * Hears from `heauth drain` that the pod goes, over a unix socket that only our own user may open: clients are told to go by Envoy, and
 * records count when the hub has them. It stays so, also for a sidecar that starts again. The sidecar stays ready: where every endpoint
 * goes, Kubernetes still sends to those that are. To be started after the records, and before Envoy is answered.
 */
export function createDrain({ podEnvoy, records, log }: DrainOptions): Part {
  const socket = drainSocket(podEnvoy);
  let draining: NodeJS.Timeout | undefined;

  function begin(): void {
    if (draining !== undefined) return;
    records.drain();
    log.info(records.unshipped(), "the pod goes: clients are told to, and records count when the hub has them");
    draining = setTimeout(() => {
      setMark(podEnvoy, "CloseIdle").catch((error) => log.error({ err: error }, "idle connections can't be closed"));
    }, CLOSE_IDLE_AFTER_MS);
  }

  let marked: Promise<void> | undefined;
  /** Once, however many ask; again where it failed. */
  function marks(): Promise<void> {
    marked ??= hasMark(podEnvoy)
      .then((isMarked) => (isMarked ? undefined : setMark(podEnvoy, "TellToGo")))
      .catch((error) => {
        marked = undefined;
        throw error;
      });
    return marked;
  }

  const server = createServer(async ({ method, url }, response) => {
    response.shouldKeepAlive = false;
    if (method !== "POST" || url !== DRAIN_PATH) return void response.writeHead(404).end();
    begin();
    try {
      await marks();
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(records.unshipped()));
    } catch (error) {
      log.error({ err: error }, "Envoy can't be told that the pod goes");
      response.writeHead(500).end();
    }
  });

  return {
    name: "drain",
    async start() {
      if (await hasMark(podEnvoy)) begin();
      await rm(socket, { force: true });
      server.listen(socket);
      await once(server, "listening");
      await chmod(socket, 0o600);
    },
    async stop() {
      clearTimeout(draining);
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}
