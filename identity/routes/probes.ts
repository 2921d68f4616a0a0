import { metricsContentType, withDeadline } from "@heauth/program";
import * as z from "zod";
import type { Routes } from "./routes.ts";

const report = z.object({ ok: z.boolean(), problems: z.record(z.string(), z.string()) }).meta({ id: "HealthReport" });
const config = { probe: true } as const;
const READY_WITHIN_MS = 1_000;

/** `/healthz`: the program lives. `/readyz`: it can work, which needs the store. `/metrics`: what it counted. */
export const probeRoutes: Routes = (app, { health, metrics, database }) => {
  app.route({
    method: "GET",
    url: "/healthz",
    config,
    schema: {
      operationId: "live",
      tags: ["probes"],
      summary: "Whether the program lives",
      response: { 200: report, 503: report },
    },
    handler: async (_, reply) => {
      const live = health.live();
      return reply.code(live.ok ? 200 : 503).send(live);
    },
  });

  app.route({
    method: "GET",
    url: "/readyz",
    config,
    schema: {
      operationId: "ready",
      tags: ["probes"],
      summary: "Whether it can work",
      response: { 200: report, 503: report },
    },
    handler: async (request, reply) => {
      const { problems } = health.ready();
      const store = await withDeadline(READY_WITHIN_MS, "the store", () =>
        database.read((tx) => tx.query("SELECT 1")),
      ).catch((err: unknown) => {
        request.log.debug({ err }, "store unavailable");
        return undefined;
      });
      const all = store === undefined ? { ...problems, store: "does not answer" } : problems;
      const ok = Object.keys(all).length === 0;
      return reply.code(ok ? 200 : 503).send({ ok, problems: all });
    },
  });

  app.route({
    method: "GET",
    url: "/metrics",
    config,
    schema: {
      operationId: "metrics",
      tags: ["probes"],
      summary: "Measurements in Prometheus' text format",
      hide: true,
    },
    handler: async (_, reply) => reply.type(metricsContentType).send(await metrics.text()),
  });
};
