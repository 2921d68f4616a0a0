import type { SignedKeyChange } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";

/** The tenant's key changes, oldest first. Few: one for each program key that ever was. */
export async function readKeyChanges(tx: Tx, tenantId: string): Promise<SignedKeyChange[]> {
  return tx.query<SignedKeyChange>("SELECT body, signature FROM key_change WHERE tenant_id = $1 ORDER BY number", [
    tenantId,
  ]);
}

/** Stores a key change under its number. */
export async function insertKeyChange(
  tx: Tx,
  tenantId: string,
  number: number,
  { body, signature }: SignedKeyChange,
): Promise<void> {
  await tx.query("INSERT INTO key_change (tenant_id, number, body, signature) VALUES ($1, $2, $3, $4)", [
    tenantId,
    number,
    body,
    signature,
  ]);
}
