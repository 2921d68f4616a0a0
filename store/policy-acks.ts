import type { PolicyName } from "./policies.ts";
import type { Tx } from "./transaction.ts";

/** What a pod's sidecar said of the policy that it was last given. */
export type PolicyAck = PolicyName & {
  tenantId: string;
  /** `<namespace>/<name>`. */
  pod: string;
  /** Tells a pod from an earlier one of the same name; absent where pods have none. */
  podUid?: string;
  digest: string;
  enforced: boolean;
  missingFeatures: string[];
  message: string;
};

/** Keeps the newest word of each pod. */
export async function notePolicyAck(tx: Tx, ack: PolicyAck): Promise<void> {
  await tx.query(
    `INSERT INTO heauth.policy_ack (tenant_id, namespace, name, pod, digest, enforced, missing_features, message, pod_uid)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (tenant_id, namespace, name, pod) DO UPDATE
       SET digest = excluded.digest, enforced = excluded.enforced, missing_features = excluded.missing_features,
           message = excluded.message, pod_uid = excluded.pod_uid, updated_at = now()`,
    [
      ack.tenantId,
      ack.namespace,
      ack.name,
      ack.pod,
      ack.digest,
      ack.enforced,
      ack.missingFeatures,
      ack.message,
      ack.podUid ?? null,
    ],
  );
}

/** What the pods of a policy said last, by pod. */
export async function policyAcks(tx: Tx, tenantId: string, { namespace, name }: PolicyName): Promise<PolicyAck[]> {
  const rows = await tx.query<Omit<PolicyAck, "podUid"> & { podUid: string | null }>(
    `SELECT tenant_id AS "tenantId", namespace, name, pod, digest, enforced, missing_features AS "missingFeatures", message,
            pod_uid AS "podUid"
       FROM heauth.policy_ack WHERE tenant_id = $1 AND namespace = $2 AND name = $3 ORDER BY pod`,
    [tenantId, namespace, name],
  );
  return rows.map(({ podUid, ...ack }) => ({ ...ack, ...(podUid !== null && { podUid }) }));
}

/**
 * Forgets what pods said that are no more; newer words than `olderThanMs` stay, for who counts the pods may lag behind.
 *
 * @param pods those that there are, `<namespace>/<name>`
 */
export async function dropPolicyAcks(
  tx: Tx,
  tenantId: string,
  { namespace, name }: PolicyName,
  pods: readonly string[],
  olderThanMs: number,
): Promise<void> {
  await tx.query(
    `DELETE FROM heauth.policy_ack WHERE tenant_id = $1 AND namespace = $2 AND name = $3 AND pod <> ALL ($4::text[])
        AND updated_at < now() - $5 * interval '1 ms'`,
    [tenantId, namespace, name, pods, olderThanMs],
  );
}

/** A word of a pod's, and when it came (µs, by the database's clock). */
export type AckNews = PolicyName & { pod: string; at: number };

/** What pods have said since then (µs; undefined: nothing is asked for), and the database's time now. */
export async function acksSince(tx: Tx, since: number | undefined): Promise<{ now: number; news: AckNews[] }> {
  const [clock] = await tx.query<{ now: number }>("SELECT now() AS now");
  if (clock === undefined) throw new Error("the database does not tell the time");
  if (since === undefined) return { now: clock.now, news: [] };
  const news = await tx.query<AckNews>(
    "SELECT namespace, name, pod, updated_at AS at FROM heauth.policy_ack WHERE updated_at > heauth.at($1)",
    [since],
  );
  return { now: clock.now, news };
}
