import type { Tx } from "../transaction.ts";

/** A new alert, without anything of a person: what may be told in public. */
export interface RaisedAlert {
  readonly id: string;
  readonly reason: string;
  readonly tenantName: string;
  /** µs, by the database's clock. */
  readonly raisedAt: number;
  /** The first record's; null when the ledger itself is at fault. */
  readonly recordId: string | null;
  /** `<namespace>/<pod>` */
  readonly pod: string | null;
  readonly rule: string | null;
  /** The policy that the pod's sidecar was given last; null where there is no pod, or nothing was heard of it. */
  readonly namespace: string | null;
  readonly policy: string | null;
}

export interface RaisedSince {
  /** µs; what was raised earlier is not asked for. */
  readonly since: number;
  /** However long ago `since` is. */
  readonly atMostMs: number;
  /** Ids that are known. */
  readonly except: readonly string[];
  readonly limit: number;
}

/** The alerts of all tenants that were raised lately, oldest first. A transaction that ends late may add some before the last one. */
export function raisedAlerts(tx: Tx, { since, atMostMs, except, limit }: RaisedSince): Promise<RaisedAlert[]> {
  return tx.query<RaisedAlert>(
    `SELECT alert.id, alert.reason, tenant.name AS "tenantName", alert.raised_at AS "raisedAt", alert.record_id AS "recordId",
            alert.details ->> 'pod' AS pod, alert.details ->> 'rule' AS rule, guarding.namespace, guarding.name AS policy
       FROM alert
       JOIN tenant ON tenant.id = alert.tenant_id
       LEFT JOIN LATERAL (
         SELECT namespace, name FROM policy_ack AS ack
          WHERE ack.tenant_id = alert.tenant_id AND ack.pod = alert.details ->> 'pod'
            AND ack.namespace = split_part(alert.details ->> 'pod', '/', 1)
          ORDER BY updated_at DESC LIMIT 1) AS guarding ON true
      WHERE raised_at >= greatest(heauth.at($1), now() - $2 * interval '1 ms') AND alert.id <> ALL ($3::uuid[])
      ORDER BY raised_at, alert.id LIMIT $4`,
    [since, atMostMs, except, limit],
  );
}
