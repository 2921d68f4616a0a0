import { eventually } from "../../faults/eventually.ts";
import type { InstalledCluster } from "../install/installed.ts";
import { must } from "../must.ts";

/** Records arrive within a second; a machine that is busy with other things may take longer. */
const ARRIVES_WITHIN_MS = 30_000;

/** A record as an auditor reads it. */
export interface AuditRecord {
  readonly id: string;
  readonly type: string;
  readonly session_id: string | null;
  readonly decision: string | null;
  readonly reason: string | null;
  readonly action: string | null;
  readonly method: string | null;
  readonly path: string | null;
  readonly peer: string | null;
}

/** A session's block that was closed, as an auditor reads it. */
export interface ClosedBlock {
  readonly session_id: string;
  readonly reason: string;
  readonly actions: number;
}

/** Rows of a query in the embedded PostgreSQL, as its superuser. Values in it must be our own. */
export async function queryRows<R>(cluster: InstalledCluster, sql: string): Promise<readonly R[]> {
  const psql = ["psql", "--host=/tmp", "--username=postgres", "--dbname=heauth", "--no-align", "--tuples-only"];
  const command = `SET search_path TO heauth; SELECT coalesce(json_agg(row), '[]') FROM (${sql}) row`;
  const pod = [`--namespace=${cluster.namespace}`, "exec", "statefulset/heauth-postgres", "--container=postgres"];
  return JSON.parse(await must(cluster.kubectl([...pod, "--", ...psql, "--quiet", `--command=${command}`])));
}

/** The decisions of a session, oldest first, as soon as there are at least so many. */
export async function decisionsOf(cluster: InstalledCluster, session: string, atLeast: number) {
  const sql = `SELECT * FROM audit_record WHERE session_id = '${session}' AND type = 'decision' ORDER BY at`;
  return await rowsWithin<AuditRecord>(cluster, sql, atLeast);
}

/** The block of a session, as soon as it is closed. */
export async function closedBlockOf(cluster: InstalledCluster, session: string): Promise<ClosedBlock> {
  const [block] = await rowsWithin<ClosedBlock>(
    cluster,
    `SELECT * FROM audit_closed_block WHERE session_id = '${session}'`,
    1,
  );
  return block as ClosedBlock;
}

async function rowsWithin<R>(cluster: InstalledCluster, sql: string, atLeast: number): Promise<readonly R[]> {
  const rows = await eventually(
    () => queryRows<R>(cluster, sql),
    ({ length }) => length >= atLeast,
    ARRIVES_WITHIN_MS,
  );
  if (rows.length < atLeast) throw new Error(`${rows.length} rows instead of ${atLeast}: ${sql}`);
  return rows;
}
