import type { TenantSettings } from "@heauth/core/resources";
import {
  deriveRefreshKey,
  deriveSessionKeyPair,
  type SessionKeyMaterial,
  type SessionKind,
} from "@heauth/core/sessions";
import { type AccessTokenClaims, mintAccessToken, mintRefreshToken, type TagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";

/** The client that logs in by this API itself (RFC 9068 wants one named). */
const CLIENT_ID = "heauth";

/** A session as far as its tokens tell of it. Times µs since the epoch. */
export interface TokenSession {
  readonly kind: SessionKind;
  readonly userId: string;
  readonly audiences: readonly string[];
  readonly roles: readonly string[];
  readonly openedAt: number;
  readonly expiresAt: number;
}

/** What a login and a refresh answer. */
export interface IssuedTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Seconds that the access token is valid. */
  readonly expiresIn: number;
  /** Seconds that the refresh token is valid, for its cookie. */
  readonly refreshExpiresIn: number;
}

export interface IssueInput {
  readonly issuer: string;
  readonly settings: TenantSettings;
  readonly tagKey: TagKey;
  readonly material: SessionKeyMaterial;
  readonly session: TokenSession;
  /** Which refresh token comes with it. */
  readonly refreshNumber: number;
  /** µs since the epoch. */
  readonly refreshExpiresAt: number;
  readonly nowMs: number;
}

/**
 * The session's access token and its refresh token. A tenant's own token is as long-lived as its session, since there is nothing to
 * refresh it with, and identity alone takes it, which asks the store each time.
 */
export function issueTokens(input: IssueInput): IssuedTokens {
  const { issuer, settings, tagKey, material, session, refreshNumber, refreshExpiresAt, nowMs } = input;
  const { tenant, session: sid } = material;
  const now = Math.floor(nowMs / 1000);
  const sessionEnd = Math.floor(session.expiresAt / 1_000_000);
  const lifetime = Math.floor(settings.tokens.accessLifetimeMs / 1000);
  const exp = session.kind === "Tenant" ? sessionEnd : Math.min(now + lifetime, sessionEnd);
  const claims: AccessTokenClaims = {
    iss: issuer,
    aud: session.audiences,
    sub: session.userId,
    client_id: CLIENT_ID,
    tenant,
    sid,
    roles: session.roles,
    iat: now,
    nbf: now,
    exp,
    jti: uuidv7(),
    auth_time: Math.floor(session.openedAt / 1_000_000),
    amr: ["pwd"],
    ...(session.kind === "Tenant" && { isTenant: true }),
  };
  const { privateKey } = deriveSessionKeyPair(material);
  return {
    accessToken: mintAccessToken(claims, { privateKey, tagKey }),
    refreshToken: mintRefreshToken(deriveRefreshKey(material), material, refreshNumber),
    expiresIn: exp - now,
    refreshExpiresIn: Math.max(0, Math.floor(refreshExpiresAt / 1_000_000) - now),
  };
}
