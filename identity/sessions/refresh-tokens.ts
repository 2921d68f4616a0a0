import { KeyError } from "@heauth/core/keys";
import { deriveRefreshKey, type SessionKeyMaterial } from "@heauth/core/sessions";
import { isAuthentic, type ParsedRefreshToken, parseRefreshToken } from "@heauth/core/tokens";
import { refreshSession, type StoredSessionKey, tagKeys, tenantById } from "@heauth/store";
import type { Origin } from "../http/origin.ts";
import type { Workshop } from "../parts.ts";
import { type IssuedTokens, issueTokens } from "./issue-tokens.ts";
import { vouchedStatement } from "./vouched-statement.ts";

export type RefreshAnswer =
  | { readonly outcome: "Rotated" | "Repeated"; readonly tokens: IssuedTokens }
  | { readonly outcome: "Reused" | "Refused" }
  /** The token is good, and the session's row is not as identity wrote it. */
  | { readonly outcome: "Untrusted"; readonly tenantId: string };

const refused = { outcome: "Refused" } as const;

/**
 * New tokens for a refresh token. After a reuse the session is closed, and that is committed.
 * @throws StoreError StoreUnavailable
 */
export async function refreshTokens(workshop: Workshop, text: string, origin: Origin): Promise<RefreshAnswer> {
  const token = parseRefreshToken(text);
  if (token === undefined) return refused;
  const { clock, config, database, ledgerWriter } = workshop;
  const { tenant: tenantId, session: sessionId } = token;

  return database.tenantTransaction(tenantId, async (tx): Promise<RefreshAnswer> => {
    const tenant = await tenantById(tx, tenantId);
    const [tagKey] = await tagKeys(tx, tenantId);
    if (tenant === undefined || tagKey === undefined) return refused;
    const { settings } = tenant;
    const result = await refreshSession(tx, ledgerWriter, {
      tenantId,
      sessionId,
      number: token.number,
      isAuthentic: (key) => isOwn(workshop, token, key),
      rotationGraceMs: settings.tokens.rotationGraceMs,
      idleTimeoutMs: settings.sessions.idleTimeoutMs,
      by: origin,
    });
    if (result.outcome === "Reused") return { outcome: "Reused" };
    if (result.outcome === "Refused") return refused;
    if (vouchedStatement(workshop.identityKeys, tenantId, result.session) === undefined)
      return { outcome: "Untrusted", tenantId };
    const tokens = issueTokens({
      issuer: config.issuer,
      settings,
      tagKey,
      material: materialOf(workshop, token, result.key),
      session: { ...result.session, audiences: result.audiences },
      refreshNumber: result.number,
      refreshExpiresAt: result.refreshExpiresAt,
      nowMs: clock.wallMs(),
    });
    return { outcome: result.outcome, tokens };
  });
}

function isOwn(workshop: Workshop, token: ParsedRefreshToken, key: StoredSessionKey): boolean {
  try {
    return isAuthentic(token, deriveRefreshKey(materialOf(workshop, token, key)));
  } catch (error) {
    // A server secret that was taken out of the file has ended the sessions that were made with it.
    if (error instanceof KeyError && error.code === "ServerSecretUnknown") return false;
    throw error;
  }
}

function materialOf(
  { serverSecrets }: Pick<Workshop, "serverSecrets">,
  { tenant, session }: ParsedRefreshToken,
  { key, serverSecretId }: StoredSessionKey,
): SessionKeyMaterial {
  return { sessionKey: key, serverSecret: serverSecrets.get(serverSecretId).secret, tenant, session };
}
