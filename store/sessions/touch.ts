import type { Tx } from "../transaction.ts";

/**
 * Notes that the session was used just now, where that is worth writing: see `use_lag`. A session that somebody else has locked is
 * left alone: it is being closed or refreshed.
 */
export async function touchSession(tx: Tx, tenantId: string, sessionId: string): Promise<void> {
  await tx.query(
    `WITH stale AS (
       SELECT s.id FROM heauth.session s JOIN heauth.tenant t ON t.id = s.tenant_id
        WHERE s.tenant_id = $1 AND s.id = $2 AND s.closed_at IS NULL AND s.last_seen_at <= now() - heauth.use_lag(t.settings)
          FOR NO KEY UPDATE OF s SKIP LOCKED
     )
     UPDATE heauth.session s SET last_seen_at = now() FROM stale WHERE s.tenant_id = $1 AND s.id = stale.id`,
    [tenantId, sessionId],
  );
}
