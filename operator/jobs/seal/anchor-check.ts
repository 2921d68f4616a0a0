import { type Checkpoint, Frontier, LedgerError, type PinnedKeys, verifyCheckpoint } from "@heauth/core/ledger";
import { type LogHead, readCheckpoint, readLeaves, type Tx } from "@heauth/store";
import { Halt } from "./halt.ts";

const LEAVES_AT_ONCE = 16_384;

/**
 * Proves that the log that is about to be signed goes on from the newest anchor. Where both stand at the same place, that is one
 * comparison; where the log is ahead (its last anchor could not be written), it must be signed, and the roots are recomputed
 * from the leaves.
 * @param note the anchor; undefined when there is none
 * @throws Halt RolledBack, Forked, AnchorInvalid, AnchorMissing, CheckpointMissing, CheckpointInvalid, LogEntryMissing, LogRootMismatch
 */
export async function proveAnchor(
  tx: Tx,
  tenantId: string,
  head: LogHead,
  note: string | undefined,
  pinned: PinnedKeys,
): Promise<void> {
  if (!isConsistent(head)) {
    throw new Halt("LogRootMismatch", `the log's head of size ${head.size} is not what its subtrees make`);
  }
  if (note === undefined) {
    if (head.size === 0) return;
    throw new Halt("AnchorMissing", `the log has ${head.size} entries, and there is no anchor to prove them by`);
  }
  const anchor = readAnchor(note, tenantId, pinned);
  if (anchor.epoch > head.epoch || (anchor.epoch === head.epoch && anchor.size > head.size)) {
    throw new Halt("RolledBack", `the anchor has ${anchor.size} entries, the log ${head.size}`);
  }
  if (anchor.epoch < head.epoch)
    throw new Halt("Forked", `the anchor is of epoch ${anchor.epoch}, the log of ${head.epoch}`);
  if (anchor.size === head.size) {
    if (!sameRoot(anchor.root, head.root))
      throw new Halt("Forked", `the anchor has another root for ${anchor.size} entries`);
    return;
  }
  // Entries and their checkpoint are committed at once: only what a sealer has signed before may lie behind the anchor.
  await proveSigned(tx, tenantId, head, pinned);
  await proveLeaves(tx, tenantId, head, anchor);
}

function isConsistent({ size, root, frontier }: LogHead): boolean {
  try {
    return sameRoot(Frontier.of(size, frontier).root(), root);
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
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

function readAnchor(note: string, tenantId: string, pinned: PinnedKeys): Checkpoint {
  try {
    const anchor = verifyCheckpoint(note, pinned);
    if (anchor.tenant === tenantId) return anchor;
  } catch (error) {
    if (error instanceof LedgerError) throw new Halt("AnchorInvalid", error.message, { cause: error });
    throw error;
  }
  throw new Halt("AnchorInvalid", "the anchor is another tenant's checkpoint");
}

async function proveLeaves(tx: Tx, tenantId: string, head: LogHead, anchor: Checkpoint): Promise<void> {
  const tree = Frontier.empty();
  while (tree.size < head.size) {
    const bound = tree.size < anchor.size ? anchor.size : head.size;
    const limit = Math.min(LEAVES_AT_ONCE, bound - tree.size);
    const leaves = await readLeaves(tx, tenantId, { epoch: head.epoch, from: tree.size, limit });
    if (leaves.length < limit) throw new Halt("LogEntryMissing", `log entry ${tree.size + leaves.length} is missing`);
    for (const leaf of leaves) tree.append(leaf);
    if (tree.size === anchor.size && !sameRoot(tree.root(), anchor.root)) {
      throw new Halt("Forked", `the anchor has another root for ${anchor.size} entries`);
    }
  }
  if (!sameRoot(tree.root(), head.root))
    throw new Halt("LogRootMismatch", `the log's ${head.size} entries have another root`);
}

function sameRoot(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
