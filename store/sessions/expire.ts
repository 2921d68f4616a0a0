import type { CloseReason } from "@heauth/core/sessions";
import type { Tx } from "../transaction.ts";

export type TimedOutSession = {
  tenantId: string;
  sessionId: string;
  reason: Extract<CloseReason, "SessionIdle" | "SessionExpired">;
};

/**
 * Open sessions of all tenants but those in `except` whose time is over, at most `limit`: for `revokeSessions`. Everybody who meets such a session refuses
 * it already; closing it closes its block.
 */
export async function timedOutSessions(
  tx: Tx,
  limit: number,
  except: readonly string[] = [],
): Promise<TimedOutSession[]> {
  return tx.query<TimedOutSession>(
    `SELECT t.id AS "tenantId", s.id AS "sessionId", s.reason
       FROM heauth.tenant t
      CROSS JOIN LATERAL (
        SELECT id, 'SessionExpired' AS reason FROM heauth.session
         WHERE tenant_id = t.id AND closed_at IS NULL AND expires_at <= now()
        UNION ALL
        SELECT id, 'SessionIdle' FROM heauth.session
         WHERE tenant_id = t.id AND closed_at IS NULL AND expires_at > now()
           AND last_seen_at <= now() - heauth.use_lag(t.settings)
                             - (t.settings -> 'sessions' ->> 'idleTimeoutMs')::bigint * interval '1 ms'
      ) s
      WHERE t.id <> ALL ($2::uuid[])
      ORDER BY t.id, s.id LIMIT $1`,
    [limit, except],
  );
}
