import { deriveSessionKeyPair, newSessionKey, signSessionStatement } from "@heauth/core/sessions";
import { uuidv7 } from "@heauth/program";
import type { Database } from "../database.ts";
import type { Recorder } from "../recorder.ts";
import { type NewSession, openSession, type SessionLimits } from "../sessions/open.ts";
import { createUser, type NewUser } from "../users.ts";
import type { TestKeys } from "./ledger.ts";

const HOUR = 3600 * 1e6;

/** A user, through the store. @returns its id */
export async function makeUser(
  identity: Database,
  tenantId: string,
  login: string,
  user: Partial<NewUser> = {},
): Promise<string> {
  const id = uuidv7();
  await identity.tenantTransaction(tenantId, (tx) =>
    createUser(tx, tenantId, {
      id,
      login,
      email: `${login}@acme.test`,
      subject: id,
      roles: [],
      passwordHash: "not a hash",
      ...user,
    }),
  );
  return id;
}

/** What a login gives to `openSession`. */
export function newSession(
  keys: Pick<TestKeys, "identity">,
  tenantId: string,
  userId: string,
  session: Partial<NewSession> = {},
): NewSession {
  const id = session.id ?? uuidv7();
  const openedAt = session.openedAt ?? Date.now() * 1000;
  const expiresAt = session.expiresAt ?? openedAt + 12 * HOUR;
  const kind = session.kind ?? "User";
  const sessionKey = newSessionKey();
  const { publicKey } = deriveSessionKeyPair({
    sessionKey,
    serverSecret: Buffer.alloc(32),
    tenant: tenantId,
    session: id,
  });
  const signed = signSessionStatement(
    { tenant: tenantId, session: id, kind, user: userId, publicKey, opened: openedAt, expires: expiresAt },
    keys.identity,
  );
  return {
    tenantId,
    id,
    kind,
    userId,
    statement: signed.bytes,
    statementSignature: signed.signature,
    sessionKey,
    serverSecretId: "secret-1",
    audiences: ["shop"],
    openedAt,
    expiresAt,
    refreshExpiresAt: expiresAt,
    ...session,
  };
}

/** Logs a user in, in a transaction of its own. @returns the session's id */
export async function logIn(
  identity: Database,
  recorder: Recorder,
  session: NewSession,
  limits: SessionLimits = { maxPerUser: 100, whenFull: "EvictOldest" },
): Promise<string> {
  await identity.tenantTransaction(session.tenantId, (tx) => openSession(tx, recorder, session, limits));
  return session.id;
}
