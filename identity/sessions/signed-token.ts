import { publicKeyOf } from "@heauth/core/ledger";
import type { ReasonName } from "@heauth/core/policy";
import { closedReason, timedOut } from "@heauth/core/sessions";
import {
  type AccessTokenClaims,
  checkClaims,
  type ParsedAccessToken,
  parseAccessToken,
  unverifiedTenant,
  verifyAccessToken,
} from "@heauth/core/tokens";
import { lookUpSessions, type SessionState, type Tenant, tenantById } from "@heauth/store";
import type { Workshop } from "../parts.ts";
import { vouchedStatement } from "./vouched-statement.ts";

const CLOCK_SKEW_MS = 30_000;

/** A token that its session has signed, and what the store says of the session right now. */
export interface SignedToken {
  readonly tenant: Tenant;
  readonly state: SessionState;
  readonly claims: AccessTokenClaims;
}

/** `session`: present when identity vouches for it, though not for the token. */
export interface TokenRefusal {
  readonly reason: ReasonName;
  readonly tenantId?: string;
  readonly session?: string;
}

export type TokenReading = ({ readonly ok: true } & SignedToken) | ({ readonly ok: false } & TokenRefusal);

type Checking = Pick<Workshop, "database" | "identityKeys">;

/**
 * Reads a token and checks who signed it. Whether it is good now, and for what, is `refusalNow`'s question.
 * @throws StoreError StoreUnavailable
 */
export async function readSignedToken({ database, identityKeys }: Checking, text: string): Promise<TokenReading> {
  const parsed = parseAccessToken(text);
  if (!parsed.ok) return parsed;
  const tenantId = unverifiedTenant(parsed.token);
  if (tenantId === undefined) return { ok: false, reason: "MalformedToken" };
  const sid = parsed.token.session;
  const { tenant, finding } = await database.tenantTransaction(tenantId, async (tx) => ({
    tenant: await tenantById(tx, tenantId),
    finding: (await lookUpSessions(tx, tenantId, [sid]))[0],
  }));
  if (tenant === undefined || finding === undefined || finding.status === "Unknown") {
    return { ok: false, reason: "UnknownSession" };
  }
  return judgeSignature(parsed.token, tenant, finding, identityKeys);
}

function judgeSignature(
  token: ParsedAccessToken,
  tenant: Tenant,
  state: SessionState,
  identityKeys: Workshop["identityKeys"],
): TokenReading {
  const statement = vouchedStatement(identityKeys, tenant.id, state);
  if (statement === undefined) return { ok: false, reason: "BadStatement", tenantId: tenant.id };
  const verified = verifyAccessToken(token, publicKeyOf(statement.publicKey));
  if (!verified.ok) return { ok: false, reason: verified.reason, tenantId: tenant.id, session: state.id };
  return { ok: true, tenant, state, claims: verified.claims };
}

export interface TokenExpectations {
  readonly issuer: string;
  readonly nowMs: number;
  /** One of them must be in the token's `aud`. */
  readonly audiences: readonly string[];
}

/** Why a signed token is not good here and now; undefined when it is. */
export function refusalNow(
  { tenant, state, claims }: SignedToken,
  expected: TokenExpectations,
): ReasonName | undefined {
  const { nowMs } = expected;
  const refusal = checkClaims(claims, { ...expected, tenant: tenant.id, clockSkewMs: CLOCK_SKEW_MS });
  if (refusal !== undefined) return refusal;
  if (state.status === "Closed") return closedReason(state.closeReason);
  const { idleTimeoutMs } = tenant.settings.sessions;
  return timedOut({ idleMs: state.idle / 1000, expiresAtMs: state.expiresAt / 1000 }, { idleTimeoutMs, nowMs });
}
