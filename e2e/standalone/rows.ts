import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";

/** Records are shipped within a second; a machine that is busy with other things may take longer. */
const SHIPPED_WITHIN_MS = 60_000;

/** A record as an auditor reads it. */
export interface AuditRecord {
  readonly id: string;
  readonly type: string;
  readonly session_id: string;
  readonly decision: string | null;
  readonly reason: string | null;
  readonly rule: string | null;
  readonly action: string | null;
  readonly method: string | null;
  readonly path: string | null;
}

export interface Alert {
  readonly reason: string;
  readonly session_id: string | null;
  readonly count: string;
}

/** The rig's database as its owner sees it. */
export interface Rows {
  query<R>(sql: string, params?: readonly unknown[]): Promise<R[]>;
  /** These records, in their order, as soon as all of them have been taken in. */
  records(ids: readonly string[]): Promise<AuditRecord[]>;
  alerts(tenantId: string): Promise<Alert[]>;
  stop(): Promise<void>;
}

export async function openRows(url: string): Promise<Rows> {
  const client = new pg.Client({ connectionString: url, options: "-c search_path=heauth" });
  await client.connect();

  async function query<R>(sql: string, params: readonly unknown[] = []): Promise<R[]> {
    return (await client.query(sql, [...params])).rows as R[];
  }

  return {
    query,
    async records(ids) {
      const until = performance.now() + SHIPPED_WITHIN_MS;
      for (;;) {
        const rows = await query<AuditRecord>("SELECT * FROM audit_record WHERE id = ANY ($1)", [ids]);
        const found = new Map(rows.map((row) => [row.id, row]));
        const missing = ids.filter((id) => !found.has(id));
        if (missing.length === 0) return ids.map((id) => found.get(id) as AuditRecord);
        if (performance.now() > until) throw new Error(`not taken in: ${missing.join(", ")}`);
        await pause(100);
      }
    },
    alerts: (tenantId) =>
      query<Alert>("SELECT reason, session_id, count FROM alert WHERE tenant_id = $1 ORDER BY reason", [tenantId]),
    stop: () => client.end(),
  };
}
