import { isOwnRequest } from "@heauth/core/policy";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";

/**
 * A cookie comes by itself: what it changes must have been asked for by this origin's own pages.
 * @throws IdentityError CrossSite
 */
export function requireSameOrigin(request: FastifyRequest): void {
  const { origin, host, "sec-fetch-site": site } = request.headers;
  const own = isOwnRequest({
    method: request.method,
    target: request.url,
    host,
    origin,
    secFetchSite: typeof site === "string" ? site : undefined,
  });
  if (!own) throw new IdentityError("CrossSite");
}
