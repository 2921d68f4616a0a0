import {
  type Checkpoint,
  entriesLost,
  entryLeaf,
  Frontier,
  isStated,
  LedgerError,
  type Recovery,
  verifyRecovery,
} from "@heauth/core/ledger";
import {
  appendEntries,
  type LogHead,
  pendingRecoveries,
  raiseLedgerAlert,
  type StoredRecoveryRow,
  setHalted,
  type Tx,
} from "@heauth/store";
import type { Halt, HaltClass } from "./halt.ts";
import type { ProgramKeys } from "./key-changes.ts";
import { proveLog } from "./log-proof.ts";

/** What a recovery is for: the log is whole, and only not what its anchor says. */
const RECOVERABLE: ReadonlySet<HaltClass> = new Set(["RolledBack", "Forked", "AnchorMissing", "AnchorInvalid"]);

export function isRecoverable(halt: Halt): boolean {
  return RECOVERABLE.has(halt.finding);
}

/** A recovery that was asked for, and is for the log and the anchor as they are. */
export interface FittingRecovery {
  readonly row: StoredRecoveryRow;
  readonly recovery: Recovery;
}

/**
 * The recovery that somebody signed for exactly this log and this anchor, if there is one. The log itself is proved to be whole.
 * @param anchor undefined when there is none, or none that can be relied on
 * @throws Halt when there is one, and the log is damaged in itself
 */
export async function fittingRecovery(
  tx: Tx,
  tenantId: string,
  head: LogHead,
  anchor: Checkpoint | undefined,
  { pinned, inForce }: ProgramKeys,
): Promise<FittingRecovery | undefined> {
  for (const row of await pendingRecoveries(tx, tenantId)) {
    let recovery: Recovery;
    try {
      recovery = verifyRecovery(row, pinned);
    } catch (error) {
      if (error instanceof LedgerError) continue;
      throw error;
    }
    const { log, anchor: stated } = recovery;
    if (recovery.tenant !== tenantId || !isStated(head, log) || inForce?.has(recovery.signer) === false) continue;
    if (anchor === undefined ? stated !== undefined : stated === undefined || !isStated(anchor, stated)) continue;
    await proveLog(tx, tenantId, head, [], pinned);
    return { row, recovery };
  }
  return undefined;
}

/** Puts the recovery into the log, whose next epoch begins with it, and alerts. @returns the log's head now */
export async function beginEpoch(
  tx: Tx,
  tenantId: string,
  head: LogHead,
  { row, recovery }: FittingRecovery,
  at: number,
): Promise<LogHead> {
  const { epoch, finding, reason, anchor } = recovery;
  const leaf = entryLeaf({ kind: "recovery", ...row });
  const tree = Frontier.of(head.size, head.frontier);
  tree.append(leaf);
  const root = Buffer.from(tree.root());
  const next = { epoch, size: tree.size, root, frontier: tree.toBytes(), halted: null };
  await appendEntries(tx, tenantId, head, next, [{ kind: "recovery", journal: null, number: row.number, leaf }]);
  await setHalted(tx, tenantId, null);
  const lost = entriesLost(recovery) ?? "an unknown number of";
  const had = anchor === undefined ? "without an anchor" : `the anchor had ${anchor.size}`;
  await raiseLedgerAlert(tx, tenantId, {
    reason: "LedgerRecovered",
    key: `${epoch}`,
    finding: `${finding}: epoch ${epoch} goes on from ${head.size} entries, ${had}; ${lost} entries lost: ${reason}`,
    at,
  });
  return next;
}
