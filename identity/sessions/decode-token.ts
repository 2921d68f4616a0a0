import { type AccessTokenClaims, IDENTITY_AUDIENCE } from "@heauth/core/tokens";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";
import type { Workshop } from "../parts.ts";
import { recordRefusal } from "./record-refusal.ts";
import { readSignedToken, refusalNow, type TokenReading } from "./signed-token.ts";

/**
 * The claims of a token that is good right now; of any audience of its tenant's.
 * @throws IdentityError TokenRefused, without a reason that would help a forger; StoreError StoreUnavailable
 */
export async function decodeToken(
  workshop: Workshop,
  request: FastifyRequest,
  text: string,
): Promise<AccessTokenClaims> {
  const { clock, config } = workshop;
  const reading = await readSignedToken(workshop, text);
  const refusal = reading.ok ? lateRefusal(reading) : reading;
  if (reading.ok && refusal === undefined) return reading.claims;
  if (refusal !== undefined) await recordRefusal(workshop, request, refusal);
  throw new IdentityError("TokenRefused");

  function lateRefusal(token: Extract<TokenReading, { ok: true }>) {
    const { tenant, state } = token;
    const audiences = [...tenant.settings.audiences, IDENTITY_AUDIENCE];
    const reason = refusalNow(token, { issuer: config.issuer, audiences, nowMs: clock.wallMs() });
    return reason && { reason, tenantId: tenant.id, session: state.id };
  }
}
