import type { Tx } from "../transaction.ts";

/** An open session as its user sees it. Times µs. */
export type OpenSession = {
  id: string;
  deviceId?: string;
  peer?: string;
  userAgent?: string;
  openedAt: number;
  lastSeenAt: number;
  expiresAt: number;
};

/** The user's open sessions, oldest first. */
export async function openSessionsOf(tx: Tx, tenantId: string, userId: string): Promise<OpenSession[]> {
  const rows = await tx.query<{
    id: string;
    device_id: string | null;
    peer: string | null;
    user_agent: string | null;
    opened_at: number;
    last_seen_at: number;
    expires_at: number;
  }>(
    `SELECT id, device_id, peer, user_agent, opened_at, last_seen_at, expires_at FROM heauth.session
      WHERE tenant_id = $1 AND user_id = $2 AND closed_at IS NULL ORDER BY opened_at, id`,
    [tenantId, userId],
  );
  return rows.map(({ id, device_id, peer, user_agent, opened_at, last_seen_at, expires_at }) => ({
    id,
    ...(device_id === null ? {} : { deviceId: device_id }),
    ...(peer === null ? {} : { peer }),
    ...(user_agent === null ? {} : { userAgent: user_agent }),
    openedAt: opened_at,
    lastSeenAt: last_seen_at,
    expiresAt: expires_at,
  }));
}
