import { once } from "node:events";
import { chmod, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Logger, Part } from "@heauth/program";
import { hasMark, setMark } from "./mark.ts";
import { DRAIN_PATH, drainSocket, type Unshipped } from "./names.ts";

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
  let isDraining = false;

  function begin(): void {
    if (isDraining) return;
    isDraining = true;
    records.drain();
    log.info(records.unshipped(), "the pod goes: clients are told to, and records count when the hub has them");
  }

  const server = createServer(async ({ method, url }, response) => {
    response.shouldKeepAlive = false;
    if (method !== "POST" || url !== DRAIN_PATH) return void response.writeHead(404).end();
    begin();
    try {
      if (!(await hasMark(podEnvoy))) await setMark(podEnvoy);
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
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}
