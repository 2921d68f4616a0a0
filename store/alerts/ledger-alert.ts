import type { Tx } from "../transaction.ts";
import { raiseAlerts } from "./raise.ts";

/**
 * What can be wrong with the ledger itself: `LedgerHalted`, the sealer met something that must not be sealed; `Equivocation`, a
 * journal or segment came in under a number that is stored with other content; `LedgerRecovered`, a log goes on without what its
 * anchor knew.
 */
export type LedgerAlertReason = "LedgerHalted" | "LedgerRecovered" | "Equivocation";

/**
 * Alerts that a tenant's ledger is at fault. In a transaction of its own where the one that met the fault is rolled back.
 * @param finding what is wrong and where; never contents
 * @param key what counts as the same fault within the tenant's window
 */
export async function raiseLedgerAlert(
  tx: Tx,
  tenantId: string,
  alert: { readonly reason: LedgerAlertReason; readonly key: string; readonly finding: string; readonly at: number },
): Promise<void> {
  const { reason, key, finding, at } = alert;
  await raiseAlerts(tx, tenantId, [{ reason, dedupKey: JSON.stringify([reason, key]), at, details: { finding } }]);
}
