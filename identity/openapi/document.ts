import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";

/** What the OpenAPI document says besides the routes. */
export const openapiDocument: NonNullable<FastifyDynamicSwaggerOptions["openapi"]> = {
  openapi: "3.1.0",
  info: {
    title: "heauth identity",
    description:
      "Tenants, users and sessions. Errors are problem documents (RFC 9457) with a stable `code`. " +
      "Unknown fields are refused. `X-Request-Id` is given back, and written into the records of what the request did.",
    version: "1",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  tags: [
    { name: "auth", description: "A user's session: log in, refresh, verify, log out" },
    { name: "user", description: "A tenant's users; for the tenant itself and its admins" },
    { name: "tenant", description: "A tenant that manages itself" },
    { name: "probes", description: "Whether it lives and can work" },
  ],
  components: {
    securitySchemes: {
      bearer: {
        type: "http",
        scheme: "bearer",
        bearerFormat: "JWT",
        description: "An access token with the audience `heauth`",
      },
      cookie: {
        type: "apiKey",
        in: "cookie",
        name: "__Host-heauth-access",
        description: "The same, as a login sets it; changes then must come from the same origin",
      },
    },
  },
};
