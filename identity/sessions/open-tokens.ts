import { deriveSessionKeyPair, newSessionKey, type SessionKind, signSessionStatement } from "@heauth/core/sessions";
import { uuidv7 } from "@heauth/program";
import { openSession, type Tenant, type Tx, tagKeys } from "@heauth/store";
import { IdentityError } from "../errors.ts";
import type { Origin } from "../http/origin.ts";
import type { Workshop } from "../parts.ts";
import { type IssuedTokens, issueTokens } from "./issue-tokens.ts";

/** Somebody who has just proved who he is. */
export interface Login {
  readonly tenant: Tenant;
  readonly kind: SessionKind;
  /** The tenant's id for the tenant itself. */
  readonly userId: string;
  readonly login?: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly audiences: readonly string[];
  readonly deviceId?: string | undefined;
  readonly origin: Origin;
}

export interface OpenedTokens extends IssuedTokens {
  readonly sessionId: string;
  /** How many other sessions were closed for it. */
  readonly closed: number;
}

/**
 * Opens a session, with its keys, its statement and its record, and issues its first tokens.
 * @throws StoreError SessionsFull, NotFound; IdentityError StoreUnavailable for a tenant that has no tag key yet
 */
export async function openTokens(workshop: Workshop, tx: Tx, login: Login): Promise<OpenedTokens> {
  const { clock, config, ledgerWriter, programKey, serverSecrets } = workshop;
  const { tenant, kind, userId, audiences, roles, deviceId, origin } = login;
  const { sessions, tokens } = tenant.settings;
  const [tagKey] = await tagKeys(tx, tenant.id);
  if (tagKey === undefined)
    throw new IdentityError("StoreUnavailable", { detail: "The tenant is not ready yet.", retryAfter: 2 });

  const openedAt = clock.wallMicros();
  const expiresAt = openedAt + sessions.absoluteTimeoutMs * 1000;
  const refreshExpiresAt = Math.min(openedAt + tokens.refreshLifetimeMs * 1000, expiresAt);
  const id = uuidv7();
  const serverSecret = serverSecrets.current;
  const material = { sessionKey: newSessionKey(), serverSecret: serverSecret.secret, tenant: tenant.id, session: id };
  const { publicKey } = deriveSessionKeyPair(material);
  const statement = signSessionStatement(
    { tenant: tenant.id, session: id, kind, user: userId, publicKey, opened: openedAt, expires: expiresAt },
    programKey,
  );
  const closed = await openSession(
    tx,
    ledgerWriter,
    {
      tenantId: tenant.id,
      id,
      kind,
      userId,
      ...(login.login !== undefined && { login: login.login }),
      email: login.email,
      statement: statement.bytes,
      statementSignature: statement.signature,
      sessionKey: material.sessionKey,
      serverSecretId: serverSecret.id,
      audiences,
      ...(deviceId !== undefined && { deviceId }),
      ...origin,
      openedAt,
      expiresAt,
      refreshExpiresAt,
    },
    sessions,
  );
  const session = { kind, userId, audiences, roles, openedAt, expiresAt };
  const issued = issueTokens({
    issuer: config.issuer,
    settings: tenant.settings,
    tagKey,
    material,
    session,
    refreshNumber: 0,
    refreshExpiresAt,
    nowMs: openedAt / 1000,
  });
  return { ...issued, sessionId: id, closed: closed.length };
}
