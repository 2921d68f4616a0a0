import { StoreError } from "./errors.ts";
import type { Recorder } from "./recorder.ts";
import { openSessionsOf } from "./sessions/list.ts";
import { lockUser } from "./sessions/lock-user.ts";
import { revokeSessions } from "./sessions/revoke.ts";
import type { Tx } from "./transaction.ts";

/**
 * Deletes a user with his roles and closes his sessions, in one transaction: nobody can log in between.
 *
 * @returns the ids of the sessions that were closed
 * @throws StoreError `NotFound`
 */
export async function deleteUser(tx: Tx, recorder: Recorder, tenantId: string, userId: string): Promise<string[]> {
  if (!(await lockUser(tx, tenantId, "User", userId))) throw new StoreError("NotFound", "no such user");
  await tx.query("DELETE FROM heauth.tenant_user WHERE tenant_id = $1 AND id = $2", [tenantId, userId]);
  const open = await openSessionsOf(tx, tenantId, userId);
  return revokeSessions(tx, recorder, { tenantId, sessionIds: open.map(({ id }) => id), reason: "UserDeleted" });
}
