import type { SessionKind } from "@heauth/core/sessions";
import type { Tx } from "../transaction.ts";

/**
 * Locks whose sessions they are, so that nobody opens one meanwhile. The first lock of every transaction that takes it.
 *
 * @returns false when there is no such user (or tenant, for a tenant's own sessions)
 */
export async function lockUser(tx: Tx, tenantId: string, kind: SessionKind, userId: string): Promise<boolean> {
  const rows = await tx.query(
    kind === "User"
      ? "SELECT FROM heauth.tenant_user WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
      : "SELECT FROM heauth.tenant WHERE id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE",
    [tenantId, userId],
  );
  return rows.length === 1;
}
