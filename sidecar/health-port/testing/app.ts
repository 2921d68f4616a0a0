import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";

/** An app to be checked, on a free port. */
export interface App {
  readonly port: number;
  readonly seen: IncomingMessage[];
  stop(): Promise<void>;
}

export interface AppOptions {
  host?: string;
  /** Speaks TLS with it (PEM). */
  identity?: { certificate: string; key: string };
}

/** An app that answers as `answer` says. */
export async function startApp(answer: RequestListener, { host = "127.0.0.1", identity }: AppOptions = {}) {
  const seen: IncomingMessage[] = [];
  const listener: RequestListener = (request, response) => {
    seen.push(request);
    answer(request, response);
  };
  const server =
    identity === undefined
      ? createServer(listener)
      : createHttpsServer({ cert: identity.certificate, key: identity.key }, listener);
  return { ...(await listening(server, host)), seen } satisfies App;
}

/** Listens on a free port of that address. */
export async function listening(server: Server & { closeAllConnections?: () => void }, host: string) {
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections?.();
      await closed;
    },
  };
}
