import { LedgerError } from "./errors.ts";
import { Frontier } from "./frontier.ts";

/** The tree hash MTH of these leaf hashes (RFC 6962, section 2.1). */
export function treeHash(leaves: Iterable<Uint8Array>): Uint8Array {
  const frontier = Frontier.empty();
  for (const leaf of leaves) frontier.append(leaf);
  return frontier.root();
}

/**
 * The root that the tree had when it held `size` leaves.
 * @throws LedgerError ProofRangeInvalid when there are fewer leaves
 */
export function rootAt(leaves: readonly Uint8Array[], size: number): Uint8Array {
  if (!Number.isSafeInteger(size) || size < 0 || size > leaves.length) {
    throw new LedgerError("ProofRangeInvalid", `no tree of ${size} leaves among ${leaves.length}`);
  }
  return treeHash(leaves.slice(0, size));
}
