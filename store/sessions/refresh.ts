import type { PrivatePart } from "@heauth/core/ledger";
import type { Recorder } from "../recorder.ts";
import type { Tx } from "../transaction.ts";
import { type StoredSessionKey, sessionKey } from "./key.ts";
import { lookUpSessions, type SessionState } from "./lookup.ts";
import { revokeSessions } from "./revoke.ts";

export type RefreshRequest = {
  tenantId: string;
  sessionId: string;
  /** Which of the session's refresh tokens it says it is. */
  number: number;
  /** Was the token made with the session's key? Core's answer; called before anything is locked. */
  isAuthentic: (key: StoredSessionKey) => boolean;
  /** ms for which the token before the current one still gets the current one's answer. */
  rotationGraceMs: number;
  idleTimeoutMs: number;
  /** Where it came from, for the record of a reuse. */
  by?: PrivatePart;
};

/** `number`: of the refresh token to answer with. */
export type Refreshed = {
  outcome: "Rotated" | "Repeated";
  number: number;
  key: StoredSessionKey;
  session: SessionState;
  audiences: string[];
  /** µs; the refresh token ends then. */
  refreshExpiresAt: number;
};

/** `Reused`: the session was closed just now. Commit the transaction: rolling it back would leave the session open. */
export type RefreshOutcome =
  | Refreshed
  | { outcome: "Reused" }
  | { outcome: "Refused"; reason: "Closed" | "NotAuthentic" | "TokenExpired" | "SessionIdle" | "SessionExpired" };

type Locked = {
  refresh_number: number;
  since_rotation: number;
  expired: boolean;
  token_expired: boolean;
  audiences: string[];
  refresh_expires_at: number;
};

/** Refreshes a session. Only identity's role may: it reads the session's key. */
export async function refreshSession(tx: Tx, recorder: Recorder, request: RefreshRequest): Promise<RefreshOutcome> {
  const { tenantId, sessionId, number } = request;

  // 1. Unknown or closed: there is no key, and nothing could be authentic.
  const key = await sessionKey(tx, tenantId, sessionId);
  if (!key) return { outcome: "Refused", reason: "Closed" };

  // 2. Not authentic: nothing changes, nothing is even locked.
  if (!request.isAuthentic(key)) return { outcome: "Refused", reason: "NotAuthentic" };

  // 3. Closed while we waited for the row.
  const row = await lockOpenSession(tx, tenantId, sessionId);
  const [session] = await lookUpSessions(tx, tenantId, [sessionId]);
  if (!row || session?.status !== "Open") return { outcome: "Refused", reason: "Closed" };

  // 4. The session's time is over, whether or not its row has been closed yet.
  if (row.expired) return { outcome: "Refused", reason: "SessionExpired" };
  if (session.idle >= request.idleTimeoutMs * 1000) return { outcome: "Refused", reason: "SessionIdle" };

  const answer = { key, session, audiences: row.audiences, refreshExpiresAt: row.refresh_expires_at };
  const current = row.refresh_number;

  // 5. Older than the one before the current one, or that one after its grace: two hold the same token, and one of them is a
  //    thief. Also when it has expired by now.
  const repeated = number === current - 1 && row.since_rotation <= request.rotationGraceMs * 1000;
  if (number < current && !repeated) {
    await revokeSessions(tx, recorder, {
      tenantId,
      sessionIds: [sessionId],
      reason: "RefreshReuse",
      ...(request.by ? { by: request.by } : {}),
    });
    return { outcome: "Reused" };
  }

  // 6. Newer than the current one: the database was set back. It proves nothing against the user, and must not be honoured.
  if (number > current) return { outcome: "Refused", reason: "NotAuthentic" };

  if (row.token_expired) return { outcome: "Refused", reason: "TokenExpired" };

  // 7. The one before, within its grace: its answer may have been lost. The same answer again.
  if (repeated) return { outcome: "Repeated", number: current, ...answer };

  // 8. The current one: rotate.
  await tx.query(
    `UPDATE heauth.session SET refresh_number = refresh_number + 1, refresh_rotated_at = clock_timestamp()
      WHERE tenant_id = $1 AND id = $2`,
    [tenantId, sessionId],
  );
  return { outcome: "Rotated", number: current + 1, ...answer };
}

async function lockOpenSession(tx: Tx, tenantId: string, sessionId: string): Promise<Locked | undefined> {
  const [row] = await tx.query<Locked>(
    `SELECT refresh_number, audiences, refresh_expires_at,
            expires_at <= clock_timestamp() AS expired, refresh_expires_at <= clock_timestamp() AS token_expired,
            (extract(epoch FROM clock_timestamp() - refresh_rotated_at) * 1000000)::bigint AS since_rotation
       FROM heauth.session WHERE tenant_id = $1 AND id = $2 AND closed_at IS NULL FOR UPDATE`,
    [tenantId, sessionId],
  );
  return row;
}
