import type { PolicyName } from "./policies.ts";
import type { Tx } from "./transaction.ts";

/** What a pod's sidecar said of the policy that it was last given. */
export type PolicyAck = PolicyName & {
  tenantId: string;
  pod: string;
  digest: string;
  enforced: boolean;
  missingFeatures: string[];
  message: string;
};

/** Keeps the newest word of each pod. */
export async function notePolicyAck(tx: Tx, ack: PolicyAck): Promise<void> {
  await tx.query(
    `INSERT INTO heauth.policy_ack (tenant_id, namespace, name, pod, digest, enforced, missing_features, message)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (tenant_id, namespace, name, pod) DO UPDATE
       SET digest = excluded.digest, enforced = excluded.enforced, missing_features = excluded.missing_features,
           message = excluded.message, updated_at = now()`,
    [ack.tenantId, ack.namespace, ack.name, ack.pod, ack.digest, ack.enforced, ack.missingFeatures, ack.message],
  );
}

/** What the pods of a policy said last, by pod. */
export async function policyAcks(tx: Tx, tenantId: string, { namespace, name }: PolicyName): Promise<PolicyAck[]> {
  return tx.query<PolicyAck>(
    `SELECT tenant_id AS "tenantId", namespace, name, pod, digest, enforced, missing_features AS "missingFeatures", message
       FROM heauth.policy_ack WHERE tenant_id = $1 AND namespace = $2 AND name = $3 ORDER BY pod`,
    [tenantId, namespace, name],
  );
}
