import type { PolicyName } from "./policies.ts";
import type { Tx } from "./transaction.ts";

/**
 * What was put here by resources: a reconciler looks for those whose resource went away while nobody ran. Of tenants, those in use and
 * those whose data is being deleted.
 */
export interface ResourceNames {
  readonly tenants: readonly string[];
  readonly policies: readonly PolicyName[];
}

export async function resourceNames(tx: Tx): Promise<ResourceNames> {
  const tenants = await tx.query<{ name: string }>(
    `SELECT name FROM heauth.tenant
      WHERE managed_by = 'Resource' AND (deleted_at IS NULL OR reclaim_policy = 'Delete') ORDER BY name`,
  );
  const policies = await tx.query<PolicyName>("SELECT namespace, name FROM heauth.policy ORDER BY namespace, name");
  return { tenants: tenants.map(({ name }) => name), policies };
}
