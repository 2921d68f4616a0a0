import type { SessionKind } from "@heauth/core/sessions";
import type { Tx } from "../transaction.ts";

/** A session as deciders need it: subject and roles are the user's of now. Times µs. */
export type SessionState = {
  id: string;
  status: "Open" | "Closed";
  /** Grows with every change; a state with a smaller one is older. */
  generation: number;
  kind: SessionKind;
  userId: string;
  statement: Buffer;
  statementSignature: Buffer;
  subject: string;
  roles: string[];
  openedAt: number;
  lastSeenAt: number;
  expiresAt: number;
  /** For how long it has been idle for sure, by the store's clock, µs. */
  idle: number;
  closeReason?: string;
};

/** What is known of a session id. */
export type SessionFinding = SessionState | { id: string; status: "Unknown" };

type Row = Omit<SessionState, "closeReason"> & { closeReason: string | null };

/** States of the tenant's sessions, in the order asked. */
export async function lookUpSessions(
  tx: Tx,
  tenantId: string,
  sessionIds: readonly string[],
): Promise<SessionFinding[]> {
  const rows = await tx.query<Row>(
    `SELECT s.id, s.generation, s.kind, s.user_id AS "userId", s.statement, s.statement_signature AS "statementSignature",
            CASE WHEN s.closed_at IS NULL THEN 'Open' ELSE 'Closed' END AS status,
            coalesce(u.subject, s.user_id::text) AS subject,
            ARRAY (SELECT r.role FROM heauth.user_role r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.id ORDER BY r.role) AS roles,
            s.opened_at AS "openedAt", s.last_seen_at AS "lastSeenAt", s.expires_at AS "expiresAt",
            (extract(epoch FROM heauth.idle_time(s.last_seen_at, t.settings)) * 1000000)::bigint AS idle,
            s.close_reason AS "closeReason"
       FROM heauth.session s
       JOIN heauth.tenant t ON t.id = s.tenant_id
       LEFT JOIN heauth.tenant_user u ON u.tenant_id = s.tenant_id AND u.id = s.user_id AND s.kind = 'User'
      WHERE s.tenant_id = $1 AND s.id = ANY ($2::uuid[])`,
    [tenantId, sessionIds],
  );
  const found = new Map(
    rows.map(({ closeReason, ...row }) => [row.id, { ...row, ...(closeReason && { closeReason }) }]),
  );
  return sessionIds.map((id) => found.get(id) ?? { id, status: "Unknown" });
}
