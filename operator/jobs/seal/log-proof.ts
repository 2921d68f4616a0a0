import { Frontier, LedgerError, type PinnedKeys, verifyCheckpoint } from "@heauth/core/ledger";
import { type LogHead, readCheckpoint, readLeaves, type Tx } from "@heauth/store";
import { Halt } from "./halt.ts";

const LEAVES_AT_ONCE = 16_384;

/** A root that the log must have had at a size, and who says so. */
export interface Point {
  readonly size: number;
  readonly root: Uint8Array;
  readonly what: string;
}

/**
 * Proves that a log is whole: a checkpoint signs it, its leaves are all there, and have its root, and that of each point on the way.
 * Entries and their checkpoint are committed at once: only what a sealer has signed before may be there.
 * @throws Halt CheckpointMissing, CheckpointInvalid, LogEntryMissing, LogRootMismatch, Forked
 */
export async function proveLog(
  tx: Tx,
  tenantId: string,
  head: LogHead,
  points: readonly Point[],
  pinned: PinnedKeys,
): Promise<void> {
  if (head.size > 0) await proveSigned(tx, tenantId, head, pinned);
  const ordered = points.toSorted((a, b) => a.size - b.size);
  const tree = Frontier.empty();
  for (const { size, root, what } of ordered) {
    await grow(tx, tenantId, tree, size);
    if (!sameRoot(tree.root(), root)) throw new Halt("Forked", `${what} has another root for ${size} entries`);
  }
  await grow(tx, tenantId, tree, head.size);
  if (!sameRoot(tree.root(), head.root)) {
    throw new Halt("LogRootMismatch", `the log's ${head.size} entries have another root`);
  }
}

async function grow(tx: Tx, tenantId: string, tree: Frontier, size: number): Promise<void> {
  while (tree.size < size) {
    const limit = Math.min(LEAVES_AT_ONCE, size - tree.size);
    const leaves = await readLeaves(tx, tenantId, { from: tree.size, limit });
    if (leaves.length < limit) throw new Halt("LogEntryMissing", `log entry ${tree.size + leaves.length} is missing`);
    for (const leaf of leaves) tree.append(leaf);
  }
}

async function proveSigned(tx: Tx, tenantId: string, head: LogHead, pinned: PinnedKeys): Promise<void> {
  const note = await readCheckpoint(tx, tenantId, head);
  if (note === undefined) throw new Halt("CheckpointMissing", `no checkpoint signs the log's ${head.size} entries`);
  try {
    const { tenant, epoch, size, root } = verifyCheckpoint(note, pinned);
    if (tenant === tenantId && epoch === head.epoch && size === head.size && sameRoot(root, head.root)) return;
  } catch (error) {
    if (error instanceof LedgerError) throw new Halt("CheckpointInvalid", error.message, { cause: error });
    throw error;
  }
  throw new Halt("CheckpointInvalid", `the checkpoint of size ${head.size} does not sign the log's entries`);
}

export function sameRoot(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
