import type { FastifyInstance } from "fastify";
import type { IdentityParts } from "../parts.ts";

const classes = { "2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx" } as const;

/** One log line and one measurement for each answer: the route's pattern, never the path, which may name a person. */
export function observeRequests(app: FastifyInstance, { metrics }: Pick<IdentityParts, "metrics">): void {
  app.addHook("onResponse", async (request, reply) => {
    const { url = "none", config } = request.routeOptions;
    if (config?.probe === true) return;
    const route = url === "none" ? url : `${request.method}:${url}`;
    const status = classes[String(reply.statusCode)[0] as keyof typeof classes] ?? "5xx";
    metrics.counter("heauth_http_requests_total", { route, status }).add();
    metrics.histogram("heauth_http_request_seconds", { route }).record(reply.elapsedTime / 1000);
    request.log.info(
      { method: request.method, route, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      "request answered",
    );
  });
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Asked often by machines: not logged, and free of what people's requests must bring. */
    readonly probe?: boolean;
  }
}
