import type { Tx } from "./transaction.ts";

/** What a tenant's resource has to tell that is none of its own doing. */
export type TenantTrouble = {
  id: string;
  name: string;
  /** Why its log is not sealed any further; null while it is. */
  halted: string | null;
  /** Receivers of alerts that have failed to take one for a while, and what came of the last attempt. */
  failing: { receiver: string; error: string }[];
};

/** Tenants that have any. Costs nothing for those that have not. */
export function tenantsInTrouble(tx: Tx): Promise<TenantTrouble[]> {
  return tx.query<TenantTrouble>(
    `WITH failing AS (
       SELECT tenant_id, receiver, max(last_error) AS error FROM heauth.alert_delivery
        WHERE delivered_at IS NULL AND abandoned_at IS NULL AND attempts >= 3
        GROUP BY tenant_id, receiver
     ), halted AS (
       SELECT tenant_id, halted FROM heauth.log_head WHERE halted IS NOT NULL
     )
     SELECT tenant.id, tenant.name, (SELECT halted FROM halted WHERE tenant_id = tenant.id) AS halted,
            coalesce((SELECT jsonb_agg(jsonb_build_object('receiver', receiver, 'error', coalesce(error, '')) ORDER BY receiver)
                        FROM failing WHERE tenant_id = tenant.id), '[]') AS failing
       FROM heauth.tenant
      WHERE tenant.id IN (SELECT tenant_id FROM failing UNION SELECT tenant_id FROM halted)
      ORDER BY tenant.name`,
  );
}
