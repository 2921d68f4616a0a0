import type { ReasonName } from "../policy/reasons.ts";
import type { AccessTokenClaims } from "./claims.ts";

/** What the claims of a verified token are held against. */
export interface ClaimExpectations {
  readonly issuer: string;
  readonly tenant: string;
  /** One of them must be in `aud`. */
  readonly audiences: readonly string[];
  readonly nowMs: number;
  readonly clockSkewMs: number;
}

export type ClaimRefusal = Extract<
  ReasonName,
  "WrongIssuer" | "WrongTenant" | "TokenExpired" | "TokenNotYetValid" | "WrongAudience"
>;

/** The claims that are held against it. */
export type CheckedClaims = Pick<AccessTokenClaims, "iss" | "tenant" | "aud" | "nbf" | "exp">;

/** Why the claims are not good here and now; undefined when they are. */
export function checkClaims(claims: CheckedClaims, expected: ClaimExpectations): ClaimRefusal | undefined {
  const { nowMs, clockSkewMs } = expected;
  if (claims.iss !== expected.issuer) return "WrongIssuer";
  if (nowMs >= claims.exp * 1000 + clockSkewMs) return "TokenExpired";
  if (nowMs < claims.nbf * 1000 - clockSkewMs) return "TokenNotYetValid";
  if (claims.tenant !== expected.tenant) return "WrongTenant";
  if (!claims.aud.some((audience) => expected.audiences.includes(audience))) return "WrongAudience";
  return undefined;
}
