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
} from "@heauth/store";
import type { AnchorKeeper, AnchorStore } from "../../anchor/store.ts";

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
 * Ends a tenant whose resource is gone: nobody logs in to it any more, its sessions are revoked, its policies are out of force. With
 * `Delete`, all that there is of it is deleted then. Each step may be the last before a crash: done again, it goes on from there.
 */
export async function endStored(parts: EndTenantParts, stored: StoredTenant, reclaim: ReclaimPolicy): Promise<void> {
  const { database, recorder } = parts;
  const { id } = stored;
  if (!stored.deleted || stored.reclaimPolicy !== reclaim) {
    await database.tenantTransaction(id, (tx) => endTenant(tx, id, reclaim));
  }
  const open = () => database.read((tx) => someOpenSessions(tx, id, SESSIONS_AT_ONCE));
  for (let sessionIds = await open(); sessionIds.length > 0; sessionIds = await open()) {
    const revocation = { tenantId: id, sessionIds, reason: "TenantDeleted" } as const;
    await database.tenantTransaction(id, (tx) => revokeSessions(tx, recorder, revocation));
  }
  for (const policy of await database.read((tx) => policyNames(tx, id))) {
    await database.tenantTransaction(id, (tx) => deletePolicy(tx, recorder, policy));
  }
  if (reclaim !== "Delete") return;
  await dropAnchor(parts, stored);
  await dropTenant(database, id);
  // The sealer may have been at it until the last moment.
  await dropAnchor(parts, stored);
}

async function dropAnchor({ anchors, keeper }: EndTenantParts, { id, name }: StoredTenant): Promise<void> {
  await anchors.forget?.({ id, name });
  await keeper?.drop(id);
}

/** Keeps the tenant's anchor where its resource's end does not reach it. */
export async function retainAnchor({ anchors, keeper }: EndTenantParts, { id, name }: StoredTenant): Promise<void> {
  if (keeper === undefined) return;
  const note = await anchors.read({ id, name });
  if (note !== undefined) await keeper.retain(id, note);
}

/** Puts a retained anchor where the tenant's resource has it, so that its log goes on from there and from nowhere earlier. */
export async function restoreAnchor({ anchors, keeper }: EndTenantParts, { id, name }: StoredTenant): Promise<void> {
  const note = await keeper?.retained(id);
  if (note !== undefined) await anchors.write({ id, name }, note);
}
