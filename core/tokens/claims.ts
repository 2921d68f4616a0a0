/** Identity's own audience: tokens with it may act as their user towards the identity API. */
export const IDENTITY_AUDIENCE = "heauth";

/** Claims of an access token (RFC 9068). Times are seconds since the epoch. */
export interface AccessTokenClaims {
  readonly iss: string;
  readonly aud: readonly string[];
  /** The user id; the tenant id in a tenant's own token. */
  readonly sub: string;
  readonly client_id: string;
  readonly tenant: string;
  readonly sid: string;
  /** For apps to read. Decisions use the session's state, never these. */
  readonly roles: readonly string[];
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly auth_time: number;
  readonly amr: readonly string[];
  /** Present, and true, only in a tenant's own token. */
  readonly isTenant?: true;
}

const text = (value: unknown): boolean => typeof value === "string" && value !== "";
const texts = (value: unknown): boolean => Array.isArray(value) && value.every(text);
const seconds = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

const shapes: Readonly<Record<Exclude<keyof AccessTokenClaims, "isTenant">, (value: unknown) => boolean>> = {
  iss: text,
  aud: texts,
  sub: text,
  client_id: text,
  tenant: text,
  sid: text,
  roles: texts,
  iat: seconds,
  nbf: seconds,
  exp: seconds,
  jti: text,
  auth_time: seconds,
  amr: texts,
};

/** A payload as claims; undefined unless every claim is there and of its type. Claims unknown here are kept: later versions add some. */
export function claimsOf(payload: Record<string, unknown>): AccessTokenClaims | undefined {
  for (const [name, fits] of Object.entries(shapes)) {
    if (!fits(payload[name])) return undefined;
  }
  if ("isTenant" in payload && payload["isTenant"] !== true) return undefined;
  return payload as unknown as AccessTokenClaims;
}
