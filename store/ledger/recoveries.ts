import type { SignedRecovery } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";

/** A recovery under its number. */
export type StoredRecoveryRow = { readonly number: number } & SignedRecovery;

/** A recovery that is in the log, with the log's leaf for it. */
export type LoggedRecovery = StoredRecoveryRow & { readonly index: number; readonly leaf: Buffer };

/** More than those are not looked at: whoever asks again and again has one that does not fit. */
const MOST_PENDING = 16;

const ENTRY = `log_entry AS entry WHERE entry.tenant_id = $1 AND entry.kind = 'recovery' AND entry.journal_id IS NULL`;

/** Keeps a recovery; the sealer puts it into the log if it fits. */
export async function insertRecovery(tx: Tx, tenantId: string, { body, signature }: SignedRecovery): Promise<void> {
  await tx.query(
    `INSERT INTO recovery (tenant_id, number, body, signature)
     SELECT $1, coalesce(max(number) + 1, 0), $2, $3 FROM recovery WHERE tenant_id = $1`,
    [tenantId, body, signature],
  );
}

/** The newest recoveries that are not in the log. */
export function pendingRecoveries(tx: Tx, tenantId: string): Promise<StoredRecoveryRow[]> {
  return tx.query<StoredRecoveryRow>(
    `SELECT number, body, signature FROM recovery
      WHERE tenant_id = $1 AND NOT EXISTS (SELECT FROM ${ENTRY} AND entry.number = recovery.number)
      ORDER BY number DESC LIMIT ${MOST_PENDING}`,
    [tenantId],
  );
}

/** The log's recoveries, oldest first; one whose row is gone is left out. */
export function loggedRecoveries(tx: Tx, tenantId: string): Promise<LoggedRecovery[]> {
  return tx.query<LoggedRecovery>(
    `SELECT recovery.number, recovery.body, recovery.signature, entry.index, entry.leaf
       FROM (SELECT * FROM ${ENTRY}) AS entry
       JOIN recovery ON recovery.tenant_id = $1 AND recovery.number = entry.number ORDER BY entry.index`,
    [tenantId],
  );
}
