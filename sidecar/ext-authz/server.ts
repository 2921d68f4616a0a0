import { once } from "node:events";
import { chmod, unlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { Logger, Part } from "@heauth/program";
import type { Authorize } from "../authorize.ts";
import { sendCheckAnswer } from "./check-answer.ts";
import { readCheckRequest } from "./check-request.ts";

/** Larger than Envoy lets through (60 KiB), so that Envoy's own answer is the one that clients get. */
const MAX_HEADER_BYTES = 80 * 1024;
/** Longer than Envoy keeps an idle connection, so that no request meets one that is closing. */
const KEEP_ALIVE_MS = 120_000;

export interface ExtAuthzServerOptions {
  readonly socket: string;
  /** In a pod Envoy is another user of our group. */
  readonly forGroup?: boolean;
  readonly authorize: Authorize;
  readonly log: Logger;
}

/** The server, and whether Envoy can ask it. */
export interface ExtAuthzServer extends Part {
  readonly isOpen: boolean;
}

/** Envoy's HTTP ext_authz over a unix socket that only our own user may open, or our group too. */
export function createExtAuthzServer({
  socket,
  forGroup = false,
  authorize,
  log,
}: ExtAuthzServerOptions): ExtAuthzServer {
  let isOpen = false;
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => {
      const check = readCheckRequest(request);
      if (check === undefined) {
        response.writeHead(404).end();
        return;
      }
      authorize(check)
        .then((answer) => {
          // A server that is closing keeps no connection for a next request.
          response.shouldKeepAlive = server.listening;
          sendCheckAnswer(response, check, answer);
        })
        .catch((error) => {
          // Envoy takes this as a failure of ours and denies.
          log.error({ err: error }, "a request could not be decided");
          response.writeHead(500).end();
        });
    },
  );

  return {
    name: "ext-authz",
    get isOpen() {
      return isOpen;
    },
    async start() {
      await unlink(socket).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
      server.listen(socket);
      await once(server, "listening");
      await chmod(socket, forGroup ? 0o660 : 0o600);
      isOpen = true;
    },
    async stop(deadline) {
      isOpen = false;
      await closed(server, deadline);
    },
  };
}

/** Takes no new connection, lets requests under way finish, then closes what is idle; at the deadline everything. */
async function closed(server: Server, deadline: AbortSignal): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const force = () => server.closeAllConnections();
  if (deadline.aborted) force();
  deadline.addEventListener("abort", force, { once: true });
  await done;
  deadline.removeEventListener("abort", force);
}
