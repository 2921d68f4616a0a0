import { closedReason } from "../sessions/close-reason.ts";
import { timedOut } from "../sessions/timeouts.ts";
import { checkClaims } from "../tokens/check-claims.ts";
import type { CompiledPolicy } from "./compiled.ts";
import type { SessionEvidence, VerifiedToken } from "./evidence.ts";
import type { ReasonName } from "./reasons.ts";

/** Checks a token's claims, each time it is used: a remembered token grows old. */
export function refusedToken(policy: CompiledPolicy, token: VerifiedToken, nowMs: number): ReasonName | undefined {
  const { clockSkewMs, audiences } = policy.authentication;
  return checkClaims(token, { issuer: policy.issuer, tenant: policy.tenant.id, audiences, nowMs, clockSkewMs });
}

/** Checks a session's state. What is final holds however old the state is; what is not known is no refusal of the session. */
export function refusedSession(
  policy: CompiledPolicy,
  session: SessionEvidence,
  nowMs: number,
): ReasonName | undefined {
  if (session.tenant !== policy.tenant.id) return "WrongTenant";
  if (session.status === "Closed") return closedReason(session.closeReason);
  const over = timedOut(session, { idleTimeoutMs: policy.sessions.idleTimeoutMs, nowMs });
  if (over === "SessionExpired") return over;
  if (session.ageMs > policy.authentication.maxStalenessMs) return "StoreUnavailable";
  // Idle by an old state: it may have been used elsewhere since.
  return over !== undefined && isStale(policy, session) ? "StoreUnavailable" : over;
}

/** Whether the state is older than it should be, though it still serves. */
export function isStale(policy: CompiledPolicy, session: SessionEvidence): boolean {
  return session.ageMs > policy.authentication.revalidateAfterMs;
}
