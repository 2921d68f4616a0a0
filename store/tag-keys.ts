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

/** Tokens whose tags were made with it are refused from then on. */
export async function removeTagKey(tx: Tx, tenantId: string, id: string): Promise<void> {
  await tx.query("DELETE FROM heauth.tag_key WHERE tenant_id = $1 AND id = $2", [tenantId, id]);
}
