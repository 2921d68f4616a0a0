import {
  type Checkpoint,
  entryLeaf,
  Frontier,
  isStated,
  LedgerError,
  type PinnedKeys,
  type Recovery,
  verifyCheckpoint,
  verifyRecovery,
} from "@heauth/core/ledger";
import { type LogHead, loggedRecoveries, type Tx } from "@heauth/store";
import { Halt } from "./halt.ts";
import { type Point, proveLog, sameRoot } from "./log-proof.ts";
import type { Head, ProofMemory } from "./proof-memory.ts";

/**
 * Proves that the log that is about to be signed goes on from the newest anchor, and from where this run of the sealer left it. Where
 * nothing happened that it does not know of, that is a comparison; else, when the log is ahead of its anchor (which could not be
 * written, or is written now and then), it must be signed, and the roots are recomputed from the leaves.
 * @param note the anchor; undefined when there is none
 * @returns what the anchor says; undefined when there is none, and no log yet
 * @throws Halt RolledBack, Forked, AnchorInvalid, AnchorMissing, CheckpointMissing, CheckpointInvalid, LogEntryMissing, LogRootMismatch
 */
export async function proveAnchor(
  tx: Tx,
  tenantId: string,
  head: LogHead,
  note: string | undefined,
  { pinned, memory }: { readonly pinned: PinnedKeys; readonly memory?: ProofMemory | undefined },
): Promise<Checkpoint | undefined> {
  if (!isConsistent(head)) {
    throw new Halt("LogRootMismatch", `the log's head of size ${head.size} is not what its subtrees make`);
  }
  const left = memory?.headOf(tenantId);
  if (left !== undefined) goesOnFrom(left, head, `this operator has signed ${left.size}`);
  if (note === undefined) {
    if (head.size === 0) return undefined;
    throw new Halt("AnchorMissing", `the log has ${head.size} entries, and there is no anchor to prove them by`);
  }
  const anchor = readAnchor(note, tenantId, pinned);
  goesOnFrom(anchor, head, `the anchor has ${anchor.size}`);
  if (memory?.covers(tenantId, head, anchor)) return anchor;
  if (anchor.epoch === head.epoch && anchor.size === head.size) return anchor;

  const points: Point[] = [];
  if (anchor.epoch === head.epoch) points.push({ ...anchor, what: "the anchor" });
  else points.push(await recoveredFrom(tx, tenantId, head, anchor, pinned));
  if (left?.epoch === head.epoch) points.push({ ...left, what: "what this operator signed" });
  await proveLog(tx, tenantId, head, points, pinned);
  return anchor;
}

function isConsistent({ size, root, frontier }: LogHead): boolean {
  try {
    return sameRoot(Frontier.of(size, frontier).root(), root);
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

/** As far as can be told without a look at the leaves. */
function goesOnFrom(known: Head, head: LogHead, what: string): void {
  if (known.epoch > head.epoch || (known.epoch === head.epoch && known.size > head.size)) {
    throw new Halt("RolledBack", `${what} entries, the log ${head.size}`);
  }
  if (known.epoch === head.epoch && known.size === head.size && !sameRoot(known.root, head.root)) {
    throw new Halt("Forked", `${what} entries, and with another root`);
  }
}

/**
 * What a checkpoint says that a pinned key of the operator's signed for this tenant.
 * @throws Halt AnchorInvalid
 */
export function readAnchor(note: string, tenantId: string, pinned: PinnedKeys): Checkpoint {
  try {
    const anchor = verifyCheckpoint(note, pinned);
    if (anchor.tenant === tenantId) return anchor;
  } catch (error) {
    if (error instanceof LedgerError) throw new Halt("AnchorInvalid", error.message, { cause: error });
    throw error;
  }
  throw new Halt("AnchorInvalid", "the anchor is another tenant's checkpoint");
}

/** An anchor of an older epoch is only what the first recovery after it says that it is: a newer one could not be written yet. */
async function recoveredFrom(
  tx: Tx,
  tenantId: string,
  head: LogHead,
  anchor: Checkpoint,
  pinned: PinnedKeys,
): Promise<Point> {
  for (const row of await loggedRecoveries(tx, tenantId)) {
    const recovery = authentic(row, pinned);
    if (recovery === undefined || recovery.epoch <= anchor.epoch) continue;
    const { log, anchor: stated } = recovery;
    const sealed = row.index === log.size && row.leaf.equals(entryLeaf({ kind: "recovery", ...row }));
    if (!sealed || recovery.tenant !== tenantId || stated === undefined || !isStated(anchor, stated)) break;
    return { size: log.size, root: Buffer.from(log.root, "base64url"), what: "the recovery" };
  }
  throw new Halt("Forked", `the anchor is of epoch ${anchor.epoch}, the log of ${head.epoch}`);
}

function authentic(row: Parameters<typeof verifyRecovery>[0], pinned: PinnedKeys): Recovery | undefined {
  try {
    return verifyRecovery(row, pinned);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
