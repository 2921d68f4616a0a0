import { reasons } from "@heauth/core/policy";
import { type CredentialReading, IDENTITY_AUDIENCE, readCredential } from "@heauth/core/tokens";
import { type Tenant, touchSession } from "@heauth/store";
import type { FastifyRequest } from "fastify";
import { IdentityError } from "../errors.ts";
import { headerValues } from "../http/header-values.ts";
import { requireSameOrigin } from "../http/same-origin.ts";
import type { Workshop } from "../parts.ts";
import { recordRefusal } from "./record-refusal.ts";
import { readSignedToken, refusalNow } from "./signed-token.ts";

/** Who calls: a tenant itself, or one of its users, with the roles of now. */
export interface Caller {
  readonly kind: "Tenant" | "User";
  readonly tenant: Tenant;
  readonly userId: string;
  readonly sessionId: string;
  readonly roles: readonly string[];
}

/** The role that lets a user manage the tenant's users. */
export const ADMIN_ROLE = "admin";

/**
 * The access token that came in a header or a cookie; undefined when none did. A cookie's request must come from the same origin.
 * @throws IdentityError MalformedCredential, DuplicateCredential, OversizeCredential, CrossSite
 */
export function requestToken(request: FastifyRequest): string | undefined {
  const reading = readCredential(
    { authorization: headerValues(request.raw, "authorization"), cookie: headerValues(request.raw, "cookie") },
    ["AuthorizationHeader", "Cookie"],
  );
  return tokenOf(reading, request);
}

function tokenOf(reading: CredentialReading, request: FastifyRequest): string | undefined {
  if (reading.kind === "Refused") throw new IdentityError(reading.reason);
  if (reading.kind === "None") return undefined;
  if (reading.source === "Cookie") requireSameOrigin(request);
  return reading.token;
}

/**
 * Who makes the request, by a token for identity itself.
 * @throws IdentityError as `requestToken`, and Unauthenticated; StoreError StoreUnavailable
 */
export async function requireCaller(workshop: Workshop, request: FastifyRequest): Promise<Caller> {
  const token = requestToken(request);
  if (token === undefined) throw new IdentityError("Unauthenticated");
  const reading = await readSignedToken(workshop, token);
  if (!reading.ok) return refuse(workshop, request, reading);
  const { tenant, state } = reading;
  const { config, clock, database } = workshop;
  const expected = { issuer: config.issuer, audiences: [IDENTITY_AUDIENCE], nowMs: clock.wallMs() };
  const reason = refusalNow(reading, expected);
  if (reason !== undefined) return refuse(workshop, request, { reason, tenantId: tenant.id, session: state.id });
  await database.tenantTransaction(tenant.id, (tx) => touchSession(tx, tenant.id, state.id));
  return { kind: state.kind, tenant, userId: state.userId, sessionId: state.id, roles: state.roles };
}

/**
 * As `requireCaller`, for what only the tenant itself and its admins may do.
 * @throws IdentityError Forbidden
 */
export async function requireManager(workshop: Workshop, request: FastifyRequest): Promise<Caller> {
  const caller = await requireCaller(workshop, request);
  if (caller.kind === "Tenant" || caller.roles.includes(ADMIN_ROLE)) return caller;
  throw new IdentityError("Forbidden");
}

async function refuse(
  workshop: Workshop,
  request: FastifyRequest,
  refusal: Parameters<typeof recordRefusal>[2],
): Promise<never> {
  request.log.info({ reason: refusal.reason, alert: reasons[refusal.reason].alert }, "caller refused");
  await recordRefusal(workshop, request, refusal);
  throw new IdentityError("Unauthenticated");
}
