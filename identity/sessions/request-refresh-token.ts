import { cookieValues, MAX_TOKEN_BYTES, REFRESH_COOKIE } from "@heauth/core/tokens";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";
import { headerValues } from "../http/header-values.ts";
import { requireSameOrigin } from "../http/same-origin.ts";

/**
 * The refresh token of the request's cookie; undefined when there is none. The request must come from the same origin.
 * @throws IdentityError DuplicateCredential, OversizeCredential, CrossSite
 */
export function requestRefreshToken(request: FastifyRequest): string | undefined {
  const [token, ...more] = cookieValues(headerValues(request.raw, "cookie"), REFRESH_COOKIE);
  if (more.length > 0) throw new IdentityError("DuplicateCredential");
  if (token === undefined || token === "") return undefined;
  if (token.length > MAX_TOKEN_BYTES) throw new IdentityError("OversizeCredential");
  requireSameOrigin(request);
  return token;
}
