import type { FastifyInstance } from "fastify";

/** For an API that serves JSON only (OWASP REST Security): nothing to frame, to sniff, to keep or to leak. */
const headers = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

export function addSecurityHeaders(app: FastifyInstance): void {
  app.addHook("onRequest", async (_, reply) => {
    reply.headers(headers);
  });
}
