import {
  type Database,
  deletePolicy,
  dropTenant,
  endTenant,
  policyNames,
  type ReclaimPolicy,
  type Recorder,
  revokeSessions,
  type StoredTenant,
  someOpenSessions,
  type Tx,
} from "@heauth/store";
import { newestAnchor } from "../../anchor/newest.ts";
import type { AnchoredTenant, AnchorKeeper, AnchorStore } from "../../anchor/store.ts";

export interface EndTenantParts {
  readonly database: Database;
  /** Writes `session.close` and `policy.delete`. */
  readonly recorder: Recorder;
  readonly anchors: AnchorStore;
  /** Absent where anchors outlive resources by themselves. */
  readonly keeper?: AnchorKeeper;
}

const SESSIONS_AT_ONCE = 256;

/**
 * Ends a tenant whose resource is gone: its sessions are revoked, its policies are out of force, nobody logs in to it any more. With
 * `Delete`, all that there is of it is deleted then. Each step may be the last before a crash: done again, it goes on from there. That
 * the tenant is marked as deleted says that all before is done.
 */
export async function endStored(parts: EndTenantParts, stored: StoredTenant, reclaim: ReclaimPolicy): Promise<void> {
  const { database, recorder } = parts;
  const { id } = stored;
  const whatIsLeft = (tx: Tx) => leftOf(tx, id);
  let left = await database.read(whatIsLeft);
  // In pieces, for there may be many.
  while (left.sessionIds.length === SESSIONS_AT_ONCE) {
    const { sessionIds } = left;
    await database.tenantTransaction(id, (tx) => revoke(tx, recorder, id, sessionIds));
    left = await database.read(whatIsLeft);
  }
  for (const policy of left.policies) await database.tenantTransaction(id, (tx) => deletePolicy(tx, recorder, policy));
  if (!stored.deleted || stored.reclaimPolicy !== reclaim || left.sessionIds.length > 0) {
    await database.tenantTransaction(id, async (tx) => {
      const { sessionIds, policies } = await leftOf(tx, id);
      await revoke(tx, recorder, id, sessionIds);
      for (const policy of policies) await deletePolicy(tx, recorder, policy);
      await endTenant(tx, id, reclaim);
    });
  }
  if (reclaim !== "Delete") return;
  await dropAnchor(parts, stored);
  await dropTenant(database, id);
  // The sealer may have been at it until the last moment.
  await dropAnchor(parts, stored);
}

async function leftOf(tx: Tx, id: string) {
  return { sessionIds: await someOpenSessions(tx, id, SESSIONS_AT_ONCE), policies: await policyNames(tx, id) };
}

async function revoke(tx: Tx, recorder: Recorder, tenantId: string, sessionIds: readonly string[]): Promise<void> {
  await revokeSessions(tx, recorder, { tenantId, sessionIds, reason: "TenantDeleted" });
}

async function dropAnchor({ anchors, keeper }: EndTenantParts, { id, name }: StoredTenant): Promise<void> {
  await anchors.forget?.({ id, name });
  await keeper?.drop(id);
}

/** Keeps the tenant's anchor where its resource's end does not reach it. */
export async function retainAnchor({ anchors, keeper }: EndTenantParts, { id, name }: AnchoredTenant): Promise<void> {
  if (keeper === undefined) return;
  const note = await anchors.read({ id, name });
  if (note !== undefined) await keeper.retain(id, note);
}

/** Puts a retained anchor where the tenant's resource has it, so that its log goes on from there and from nowhere earlier. */
export async function restoreAnchor({ anchors, keeper }: EndTenantParts, { id, name }: StoredTenant): Promise<void> {
  const kept = await keeper?.retained(id);
  // What is kept may lag behind what the sealer has noted.
  const newest = kept && newestAnchor(await anchors.read({ id, name }), kept);
  if (newest !== undefined) await anchors.write({ id, name }, newest);
}
