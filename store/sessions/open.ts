import { createHash } from "node:crypto";
import type { SessionKind } from "@heauth/core/sessions";
import { StoreError } from "../errors.ts";
import type { RecordDraft } from "../ledger/writer.ts";
import type { Recorder } from "../recorder.ts";
import type { Tx } from "../transaction.ts";
import { lockUser } from "./lock-user.ts";
import { closeSessions } from "./revoke.ts";

/** A login. Times µs. */
export type NewSession = {
  tenantId: string;
  /** UUIDv7. */
  id: string;
  kind: SessionKind;
  /** The tenant id for a tenant's own session. */
  userId: string;
  /** How the user is called at the login, for the record. */
  login?: string;
  email?: string;
  statement: Uint8Array;
  statementSignature: Uint8Array;
  /** 32 random bytes, and which server secret the session's keys are derived with. */
  sessionKey: Uint8Array;
  serverSecretId: string;
  audiences: readonly string[];
  deviceId?: string;
  peer?: string;
  userAgent?: string;
  openedAt: number;
  expiresAt: number;
  refreshExpiresAt: number;
};

export type SessionLimits = { maxPerUser: number; whenFull: "EvictOldest" | "Refuse" };

/**
 * Opens a session: row, key and record in one transaction, under a lock of its user, so that logins at once cannot pass the limit.
 *
 * @returns ids of sessions that it closed: timed out ones, and the oldest ones where the user had too many
 * @throws StoreError `NotFound` (the user was deleted meanwhile), `SessionsFull`
 */
export async function openSession(
  tx: Tx,
  recorder: Recorder,
  session: NewSession,
  { maxPerUser, whenFull }: SessionLimits,
): Promise<string[]> {
  const { tenantId, kind, userId } = session;
  if (!(await lockUser(tx, tenantId, kind, userId))) throw new StoreError("NotFound", "no such user");
  const open = await openOnes(tx, tenantId, userId);
  const idle = open.filter(({ state }) => state === "SessionIdle");
  const expired = open.filter(({ state }) => state === "SessionExpired");
  const live = open.filter(({ state }) => state === "Open");
  const tooMany = Math.max(live.length + 1 - maxPerUser, 0);
  if (tooMany > 0 && whenFull === "Refuse") throw new StoreError("SessionsFull", "the user has too many open sessions");
  await insert(tx, session);
  const ids = (sessions: { id: string }[]) => sessions.map(({ id }) => id);
  return closeSessions(
    tx,
    recorder,
    tenantId,
    [
      { sessionIds: ids(idle), reason: "SessionIdle" },
      { sessionIds: ids(expired), reason: "SessionExpired" },
      { sessionIds: ids(live.slice(0, tooMany)), reason: "Evicted" },
    ],
    [openRecord(session)],
  );
}

type OpenOne = { id: string; state: "Open" | "SessionIdle" | "SessionExpired" };

async function openOnes(tx: Tx, tenantId: string, userId: string): Promise<OpenOne[]> {
  return tx.query<OpenOne>(
    `SELECT s.id,
            CASE WHEN s.expires_at <= now() THEN 'SessionExpired'
                 WHEN heauth.idle_time(s.last_seen_at, t.settings)
                      >= (t.settings -> 'sessions' ->> 'idleTimeoutMs')::bigint * interval '1 ms' THEN 'SessionIdle'
                 ELSE 'Open' END AS state
       FROM heauth.session s JOIN heauth.tenant t ON t.id = s.tenant_id
      WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.closed_at IS NULL ORDER BY s.opened_at, s.id`,
    [tenantId, userId],
  );
}

async function insert(tx: Tx, session: NewSession): Promise<void> {
  await tx.query(
    `INSERT INTO heauth.session (tenant_id, id, kind, user_id, statement, statement_signature, audiences, device_id, peer, user_agent,
       opened_at, last_seen_at, expires_at, refresh_rotated_at, refresh_expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, heauth.at($11), heauth.at($11), heauth.at($12), heauth.at($11), heauth.at($13))`,
    [
      session.tenantId,
      session.id,
      session.kind,
      session.userId,
      session.statement,
      session.statementSignature,
      session.audiences,
      session.deviceId ?? null,
      session.peer ?? null,
      session.userAgent ?? null,
      session.openedAt,
      session.expiresAt,
      session.refreshExpiresAt,
    ],
  );
  await tx.query("INSERT INTO heauth.session_key (tenant_id, session_id, key, server_secret) VALUES ($1, $2, $3, $4)", [
    session.tenantId,
    session.id,
    session.sessionKey,
    session.serverSecretId,
  ]);
}

function openRecord({ id, openedAt, statement, userId, login, email, peer, userAgent }: NewSession): RecordDraft {
  return {
    type: "session.open",
    at: openedAt,
    session: id,
    statement: createHash("sha256").update(statement).digest(),
    private: {
      user: userId,
      ...(login === undefined ? {} : { login }),
      ...(email === undefined ? {} : { email }),
      ...(peer === undefined ? {} : { peer }),
      ...(userAgent === undefined ? {} : { userAgent }),
    },
  };
}
