import { emitAll } from "./outbox.ts";
import { lockUser } from "./sessions/lock-user.ts";
import type { Tx } from "./transaction.ts";

/** Gives a user roles; those that the tenant does not know yet come into being. */
export async function addRoles(tx: Tx, tenantId: string, userId: string, roles: readonly string[]): Promise<void> {
  if (roles.length === 0) return;
  // In one order, so that two who make the same roles wait for each other and do not lock each other out.
  const sorted = [...new Set(roles)].toSorted();
  await tx.query(
    `INSERT INTO heauth.role (tenant_id, name) SELECT $1, name FROM unnest($2::text[]) AS name ON CONFLICT DO NOTHING`,
    [tenantId, sorted],
  );
  await tx.query(
    `INSERT INTO heauth.user_role (tenant_id, user_id, role)
     SELECT $1, $2, name FROM unnest($3::text[]) AS name ON CONFLICT DO NOTHING`,
    [tenantId, userId, sorted],
  );
}

/** Makes these the user's roles, and lets everybody know who decides about the user's open sessions. */
export async function setRoles(tx: Tx, tenantId: string, userId: string, roles: readonly string[]): Promise<void> {
  await lockUser(tx, tenantId, "User", userId);
  await tx.query("DELETE FROM heauth.user_role WHERE tenant_id = $1 AND user_id = $2 AND role <> ALL ($3::text[])", [
    tenantId,
    userId,
    roles,
  ]);
  await addRoles(tx, tenantId, userId, roles);
  const changed = await tx.query<{ id: string; generation: number }>(
    `WITH open AS (
       SELECT id FROM heauth.session WHERE tenant_id = $1 AND user_id = $2 AND closed_at IS NULL ORDER BY id FOR UPDATE
     )
     UPDATE heauth.session s SET generation = generation + 1 FROM open WHERE s.tenant_id = $1 AND s.id = open.id
     RETURNING s.id, s.generation`,
    [tenantId, userId],
  );
  await emitAll(
    tx,
    tenantId,
    changed.map(({ id, generation }) => ({ kind: "session.changed", sessionId: id, generation })),
  );
}
