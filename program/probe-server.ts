import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ProgramError } from "./errors.ts";
import type { Health, HealthReport } from "./health.ts";
import type { Logger } from "./logs.ts";
import { type Metrics, metricsContentType } from "./measure.ts";
import type { Part } from "./part.ts";
import { problem, problemContentType } from "./problem.ts";
import { formatHostPort, type HostPort } from "./settings.ts";

export interface ProbeServerOptions {
  listen: HostPort;
  health: Health;
  metrics: Metrics;
  log: Logger;
}

/** `GET /healthz`, `/readyz` and `/metrics` on a small port of their own. */
export interface ProbeServer extends Part {
  /** `http://HOST:PORT`, once started. */
  url(): string;
}

export function createProbeServer({ listen, health, metrics, log }: ProbeServerOptions): ProbeServer {
  const server = createServer((request, response) => {
    const path = request.url?.split("?", 1)[0];
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return answerProblem(response, 405, "MethodNotAllowed", "Method not allowed");
    }
    if (path === "/healthz") return answerHealth(response, health.live());
    if (path === "/readyz") return answerHealth(response, health.ready());
    if (path === "/metrics") return void answerMetrics(response, metrics);
    return answerProblem(response, 404, "NotFound", "No such page");
  });
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;

  const url = () => `http://${formatHostPort({ host: listen.host, port: (server.address() as AddressInfo).port })}`;

  return {
    name: "probes",
    url,
    async start() {
      await listening(server, listen);
      log.info(`probes at ${url()}`);
    },
    async stop() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

/** Listens, or rejects with `StartFailed` naming the address. */
async function listening(server: Server, { host, port }: HostPort): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port }, resolve);
  try {
    await promise;
  } catch (error) {
    throw new ProgramError("StartFailed", `cannot listen on ${formatHostPort({ host, port })}`, { cause: error });
  } finally {
    server.off("error", reject);
  }
}

function answerHealth(response: ServerResponse, report: HealthReport): void {
  answer(response, report.ok ? 200 : 503, "application/json", JSON.stringify(report));
}

async function answerMetrics(response: ServerResponse, metrics: Metrics): Promise<void> {
  try {
    answer(response, 200, metricsContentType, await metrics.text());
  } catch {
    answerProblem(response, 500, "Internal", "The metrics could not be collected");
  }
}

function answerProblem(response: ServerResponse, status: number, code: string, title: string): void {
  answer(response, status, problemContentType, JSON.stringify(problem({ status, code, title })));
}

function answer(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
  response.end(body);
}
