import type { SignedKeyChange } from "@heauth/core/ledger";
import type { Tx } from "../transaction.ts";

/** A key change as its row has it, and the leaf that the log has for it; null where one of the two is not there. */
export interface LoggedKeyChange {
  readonly number: number;
  readonly row: SignedKeyChange | null;
  readonly leaf: Buffer | null;
}

/** The tenant's key changes, oldest first. Few: one for each program key that ever was. */
export async function readKeyChanges(tx: Tx, tenantId: string): Promise<LoggedKeyChange[]> {
  const rows = await tx.query<{ number: number; body: Buffer | null; signature: Buffer; leaf: Buffer | null }>(
    `SELECT number, change.body, change.signature, entry.leaf
       FROM (SELECT number, body, signature FROM key_change WHERE tenant_id = $1) AS change
       FULL JOIN (SELECT number, leaf FROM log_entry WHERE tenant_id = $1 AND kind = 'key') AS entry USING (number)
      ORDER BY number`,
    [tenantId],
  );
  return rows.map(({ number, body, signature, leaf }) => ({
    number,
    row: body === null ? null : { body, signature },
    leaf,
  }));
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
