import type { Tx } from "./transaction.ts";

/**
 * Names the history that the server writes: PostgreSQL's system identifier and timeline. It changes with a failover or a restore, and
 * then cursors and cached states may tell of commits that never happened here.
 *
 * @throws StoreError `StoreUnavailable` on a standby: what it shows may be old without limit
 */
export async function primaryId(tx: Tx): Promise<string> {
  // A standby has no current WAL position: it answers with an error (recovery is in progress).
  const [row] = await tx.query<{ id: string }>(
    `SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS id FROM pg_control_system()`,
  );
  return row?.id ?? "";
}
