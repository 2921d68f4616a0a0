import type { TagKey } from "@heauth/core/tokens";
import type { Tx } from "./transaction.ts";

/** Adds a key that token tags are made with from now on; older ones still count. */
export async function addTagKey(tx: Tx, tenantId: string, { id, key }: TagKey): Promise<void> {
  await tx.query("INSERT INTO heauth.tag_key (tenant_id, id, key) VALUES ($1, $2, $3)", [tenantId, id, key]);
}

/** The tenant's keys, newest first: the first one makes tags, all of them check tags. */
export async function tagKeys(tx: Tx, tenantId: string): Promise<TagKey[]> {
  return tx.query<TagKey & object>(
    "SELECT id, key FROM heauth.tag_key WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC",
    [tenantId],
  );
}

/** As `tagKeys`, of several tenants at once; a tenant without keys has no entry. */
export async function tagKeysOf(tx: Tx, tenantIds: readonly string[]): Promise<Map<string, TagKey[]>> {
  const rows = await tx.query<TagKey & { tenantId: string }>(
    `SELECT tenant_id AS "tenantId", id, key FROM heauth.tag_key WHERE tenant_id = ANY ($1) ORDER BY created_at DESC, id DESC`,
    [tenantIds],
  );
  const keys = new Map<string, TagKey[]>();
  for (const [tenantId, its] of Map.groupBy(rows, (row) => row.tenantId)) {
    keys.set(
      tenantId,
      its.map(({ id, key }) => ({ id, key })),
    );
  }
  return keys;
}

/** Tokens whose tags were made with it are refused from then on. */
export async function removeTagKey(tx: Tx, tenantId: string, id: string): Promise<void> {
  await tx.query("DELETE FROM heauth.tag_key WHERE tenant_id = $1 AND id = $2", [tenantId, id]);
}
