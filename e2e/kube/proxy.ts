import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { ServingCertificate } from "./certificates.ts";

/** A request on its way to the API server. */
export interface ProxiedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly userAgent: string;
}

/** Sees every request. What is awaited here delays it; what is thrown drops its connection. */
export interface ProxyHook {
  /** Before the API server gets it. With an answer it does not get it at all. */
  before?(request: ProxiedRequest): Promise<ProxyAnswer | undefined> | ProxyAnswer | undefined;
  /** When the API server has begun to answer, and before the client knows. */
  after?(request: ProxiedRequest, status: number): Promise<void> | void;
}

/** An answer of the proxy's own: `status` 429, 500, …; the body is a `Status` with this message. */
export interface ProxyAnswer {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A door to the API server that can be shut. */
export interface ApiProxy {
  readonly url: string;
  /** Breaks off every open connection, watches among them. */
  cut(): void;
  /** Does so, and lets no new one in. */
  refuse(): void;
  allow(): void;
  /** Without a hook nothing is looked at any more. */
  onRequest(hook?: ProxyHook): void;
  stop(): Promise<void>;
}

/** Starts one on a free port. Bearer tokens are handed on as they are. */
export async function startProxy(
  target: { readonly url: string; readonly ca: string },
  { certificate, key }: ServingCertificate,
): Promise<ApiProxy> {
  const sockets = new Set<Socket>();
  const agent = new Agent({ keepAlive: true, ca: target.ca });
  let open = true;
  let hook: ProxyHook = {};

  async function forward(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const seen = { method: from.method ?? "", path: from.url ?? "", userAgent: from.headers["user-agent"] ?? "" };
    const own = await hook.before?.(seen);
    if (own !== undefined) return answerItself(to, own);
    const { host: _, ...headers } = from.headers;
    const sent = request(`${target.url}${seen.path}`, { method: seen.method, headers, agent });
    to.on("close", () => sent.destroy());
    from.pipe(sent);
    const [answer] = (await once(sent, "response")) as [IncomingMessage];
    const status = answer.statusCode ?? 502;
    await hook.after?.(seen, status);
    to.writeHead(status, answer.headers);
    to.flushHeaders();
    answer.on("error", () => to.destroy());
    answer.on("aborted", () => to.destroy());
    answer.pipe(to);
  }

  const server = createServer({ cert: certificate, key }, (from, to) => {
    forward(from, to).catch(() => from.socket.destroy());
  });
  server.on("connection", (socket: Socket) => {
    if (!open) return void socket.destroy();
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    refuse() {
      open = false;
      cut();
    },
    allow() {
      open = true;
    },
    onRequest(wanted = {}) {
      hook = wanted;
    },
    async stop() {
      cut();
      agent.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}

function answerItself(to: ServerResponse, { status, message, headers = {} }: ProxyAnswer): void {
  to.writeHead(status, { "content-type": "application/json", ...headers });
  to.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", message, code: status }));
}
