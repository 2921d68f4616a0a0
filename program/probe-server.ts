import type { Health } from "./health.ts";
import type { Logger } from "./logs.ts";
import { type Metrics, metricsContentType } from "./measure.ts";
import { answer, createPageServer, type PageServer } from "./page-server.ts";
import type { HostPort } from "./settings.ts";

export interface ProbeServerOptions {
  listen: HostPort;
  health: Health;
  metrics: Metrics;
  log: Logger;
}

/** `GET /healthz`, `/readyz` and `/metrics` on a small port of their own. */
export function createProbeServer({ listen, health, metrics, log }: ProbeServerOptions): PageServer {
  return createPageServer({
    name: "probes",
    listen: { ...listen },
    health,
    log,
    pageAt: (path) =>
      path === "/metrics"
        ? async (_request, response) => answer(response, 200, metricsContentType, await metrics.text())
        : undefined,
  });
}
