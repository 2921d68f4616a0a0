import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { asError, ProgramError } from "./errors.ts";
import type { Health, HealthReport } from "./health.ts";
import type { Logger } from "./logs.ts";
import type { Part } from "./part.ts";
import { problem, problemContentType } from "./problem.ts";
import { formatHostPort, type HostPort } from "./settings.ts";

/** Answers a GET, or a HEAD as if it were one. What it throws is answered with a 500 that says no more. */
export type Page = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface PageServerOptions {
  name: string;
  /** Without a host: every address, of IPv6 too where there is any. */
  listen: { host?: string; port: number };
  health: Health;
  log: Logger;
  /** The page at a path, besides `/healthz` and `/readyz`. */
  pageAt: (path: string) => Page | undefined;
}

/** `/healthz`, `/readyz` and some pages more, for whoever watches the program. */
export interface PageServer extends Part {
  /** `http://HOST:PORT`, once started. */
  url(): string;
}

/** Whoever comes when there are so many ends the oldest connection: no crowd keeps the kubelet out. */
const MAX_CONNECTIONS = 1_024;
const REQUEST_WITHIN_MS = 5_000;

export function createPageServer({ name, listen, health, log, pageAt }: PageServerOptions): PageServer {
  const pages: Readonly<Record<string, Page>> = {
    "/healthz": (_request, response) => answerHealth(response, health.live()),
    "/readyz": (_request, response) => answerHealth(response, health.ready()),
  };
  const server = createServer((request, response) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return answerProblem(response, 405, "MethodNotAllowed", "Method not allowed");
    }
    const [path = ""] = (request.url ?? "").split("?", 1);
    const page = Object.hasOwn(pages, path) ? pages[path] : pageAt(path);
    if (page === undefined) return answerProblem(response, 404, "NotFound", "No such page");
    new Promise<void>((resolve) => resolve(page(request, response))).catch((error) => {
      log.error({ path, err: asError(error) }, "a page could not be made");
      answerProblem(response, 500, "Internal", "The page could not be made");
    });
  });
  server.headersTimeout = REQUEST_WITHIN_MS;
  server.requestTimeout = REQUEST_WITHIN_MS;
  boundConnections(server);

  const url = () => {
    const { address, port } = server.address() as AddressInfo;
    return `http://${formatHostPort({ host: listen.host ?? address, port })}`;
  };

  return {
    name,
    url,
    async start() {
      await listening(server, listen);
      log.info(`${name} at ${url()}`);
    },
    async stop() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

function boundConnections(server: Server): void {
  const connections = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    const [oldest] = connections;
    if (connections.size > MAX_CONNECTIONS) oldest?.destroy();
  });
}

/** Listens, or rejects with `StartFailed` naming the address. */
async function listening(server: Server, { host, port }: { host?: string } & Pick<HostPort, "port">): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ port, ...(host !== undefined && { host }) }, resolve);
  try {
    await promise;
  } catch (error) {
    const address = host === undefined ? `port ${port}` : formatHostPort({ host, port });
    throw new ProgramError("StartFailed", `cannot listen on ${address}`, { cause: error });
  } finally {
    server.off("error", reject);
  }
}

function answerHealth(response: ServerResponse, report: HealthReport): void {
  answer(response, report.ok ? 200 : 503, "application/json", JSON.stringify(report));
}

/** A problem document, where nothing was answered yet. */
export function answerProblem(response: ServerResponse, status: number, code: string, title: string): void {
  if (response.headersSent) return void response.destroy();
  answer(response, status, problemContentType, JSON.stringify(problem({ status, code, title })));
}

export function answer(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
