import type { Routes } from "./routes.ts";

/** `/auth/openapi.json`: this API's own description, made from the schemas that validate it. */
export const documentRoutes: Routes = (app) => {
  app.route({
    method: "GET",
    url: "/auth/openapi.json",
    schema: { operationId: "openapi", tags: ["probes"], hide: true },
    handler: async (_, reply) => reply.type("application/json; charset=utf-8").send(JSON.stringify(app.swagger())),
  });
};
