import type { TenantSettings } from "@heauth/core/resources";
import type { Database } from "./database.ts";
import { StoreError, violates } from "./errors.ts";
import { emit } from "./outbox.ts";
import { beginOutbox, type ManagedBy } from "./tenants.ts";
import type { Tx } from "./transaction.ts";

/** What becomes of a tenant's data when its resource is deleted. */
export type ReclaimPolicy = "Retain" | "Delete";

/** What a Tenant resource makes of its tenant. `resourceUid`: null where resources have none. */
export type TenantOfResource = {
  settings: TenantSettings;
  resourceUid: string | null;
  reclaimPolicy: ReclaimPolicy;
};

/** The tenant of a name as its reconciler sees it: also one that is marked as deleted. */
export type StoredTenant = TenantOfResource & {
  id: string;
  name: string;
  managedBy: ManagedBy;
  deleted: boolean;
  /** Whether sidecars could check its tokens' tags. */
  hasTagKey: boolean;
};

/** Whoever has the name, deleted or not. */
export async function tenantHolding(tx: Tx, name: string): Promise<StoredTenant | undefined> {
  const [tenant] = await tx.query<StoredTenant>(
    `SELECT id, name, managed_by AS "managedBy", settings, resource_uid AS "resourceUid", reclaim_policy AS "reclaimPolicy",
            deleted_at IS NOT NULL AS deleted,
            EXISTS (SELECT FROM heauth.tag_key WHERE tenant_id = tenant.id) AS "hasTagKey"
       FROM heauth.tenant WHERE name = $1`,
    [name],
  );
  return tenant;
}

/**
 * Makes the tenant of a resource.
 *
 * @throws StoreError `AlreadyExists` with field `name`
 */
export async function createTenant(
  tx: Tx,
  tenant: { id: string; name: string; settings: TenantSettings } & Partial<TenantOfResource>,
): Promise<void> {
  const { id, name, settings, resourceUid = null, reclaimPolicy = "Retain" } = tenant;
  await tx
    .query(
      `INSERT INTO heauth.tenant (id, name, managed_by, settings, resource_uid, reclaim_policy)
       VALUES ($1, $2, 'Resource', $3, $4, $5)`,
      [id, name, settings, resourceUid, reclaimPolicy],
    )
    .catch((error: unknown) => {
      if (!violates(error, "tenant_name_key")) throw error;
      throw new StoreError("AlreadyExists", "the name is taken", { field: "name" });
    });
  await beginOutbox(tx, id);
}

/**
 * Makes a tenant what its resource says, and takes it up again if it was marked as deleted.
 *
 * @throws StoreError `NotFound`
 */
export async function putTenant(tx: Tx, tenantId: string, tenant: TenantOfResource): Promise<void> {
  const rows = await tx.query(
    `UPDATE heauth.tenant SET settings = $2, resource_uid = $3, reclaim_policy = $4, deleted_at = NULL, updated_at = now()
      WHERE id = $1 AND managed_by = 'Resource' RETURNING id`,
    [tenantId, tenant.settings, tenant.resourceUid, tenant.reclaimPolicy],
  );
  if (rows.length === 0) throw new StoreError("NotFound", "no such tenant");
  await emit(tx, tenantId, { kind: "tenant.changed" });
}

/**
 * The tenant's resource is gone: from now on nobody logs in to it, its name stays taken and its data stays; what is to become of that,
 * `reclaimPolicy` says.
 *
 * @throws StoreError `NotFound`
 */
export async function endTenant(tx: Tx, tenantId: string, reclaimPolicy: ReclaimPolicy): Promise<void> {
  const rows = await tx.query(
    `UPDATE heauth.tenant SET deleted_at = coalesce(deleted_at, now()), reclaim_policy = $2, updated_at = now()
      WHERE id = $1 AND managed_by = 'Resource' RETURNING id`,
    [tenantId, reclaimPolicy],
  );
  if (rows.length === 0) throw new StoreError("NotFound", "no such tenant");
  await emit(tx, tenantId, { kind: "tenant.changed" });
}

/** Ids of the tenant's open sessions, some of them. */
export async function someOpenSessions(tx: Tx, tenantId: string, limit: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    "SELECT id FROM heauth.session WHERE tenant_id = $1 AND closed_at IS NULL ORDER BY id LIMIT $2",
    [tenantId, limit],
  );
  return rows.map(({ id }) => id);
}

/** Rows that one statement deletes: well within a statement's time. */
const ROWS_AT_ONCE = 5_000;

/**
 * Deletes all that there is of a tenant that has ended with `Delete`, its ledger too; its name is free again. In transactions of
 * their own, one after the other: whoever is interrupted goes on later. No error when it is not there any more.
 *
 * @throws when the tenant is in use, or its data is to be retained: nothing is deleted
 */
export async function dropTenant(database: Database, tenantId: string, rowsAtOnce = ROWS_AT_ONCE): Promise<void> {
  const step = () =>
    database.transaction((tx) =>
      tx.query<{ done: boolean }>("SELECT heauth.drop_tenant($1, $2) AS done", [tenantId, rowsAtOnce]),
    );
  while ((await step())[0]?.done === false);
}
