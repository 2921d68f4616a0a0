import { LedgerError } from "./errors.ts";
import { nodeHash, sameBytes } from "./hash.ts";
import { rootAt, treeHash } from "./tree.ts";

/** The largest power of two that is smaller than `n` (n > 1). */
function split(n: number): number {
  let half = 1;
  while (half * 2 < n) half *= 2;
  return half;
}

function inRange(value: number, from: number, to: number): boolean {
  return Number.isSafeInteger(value) && value >= from && value <= to;
}

/**
 * The path that proves leaf `index` in the tree of the first `size` leaves (RFC 9162, section 2.1.3.1).
 * @throws LedgerError ProofRangeInvalid when there is no such leaf or tree
 */
export function inclusionProof(leaves: readonly Uint8Array[], index: number, size = leaves.length): Uint8Array[] {
  if (!inRange(size, 1, leaves.length) || !inRange(index, 0, size - 1)) {
    throw new LedgerError("ProofRangeInvalid", `no leaf ${index} in a tree of ${size} among ${leaves.length}`);
  }
  const path: Uint8Array[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + split(to - from);
    const left = index < middle;
    path.unshift(treeHash(left ? leaves.slice(middle, to) : leaves.slice(from, middle)));
    if (left) to = middle;
    else from = middle;
  }
  return path;
}

/** Does the path lead from this leaf to this root in a tree of exactly this size? (RFC 9162, section 2.1.3.2) */
export function verifyInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!inRange(size, 1, Number.MAX_SAFE_INTEGER) || !inRange(index, 0, size - 1)) return false;
  let fn = index;
  let sn = size - 1;
  let node = leaf;
  for (const step of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      node = nodeHash(step, node);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      node = nodeHash(node, step);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && sameBytes(node, root);
}

function subproof(leaves: readonly Uint8Array[], old: number, whole: boolean): Uint8Array[] {
  const size = leaves.length;
  if (old === size) return whole ? [] : [treeHash(leaves)];
  const middle = split(size);
  if (old <= middle) {
    return [...subproof(leaves.slice(0, middle), old, whole), treeHash(leaves.slice(middle))];
  }
  return [...subproof(leaves.slice(middle), old - middle, false), treeHash(leaves.slice(0, middle))];
}

/**
 * Proves that the tree of `oldSize` leaves is a prefix of that of `size` (RFC 9162, section 2.1.4.1). Empty when the old tree
 * is empty or the same.
 * @throws LedgerError ProofRangeInvalid when there are no such trees
 */
export function consistencyProof(leaves: readonly Uint8Array[], oldSize: number, size = leaves.length): Uint8Array[] {
  if (!inRange(size, 0, leaves.length) || !inRange(oldSize, 0, size)) {
    throw new LedgerError("ProofRangeInvalid", `no trees of ${oldSize} and ${size} among ${leaves.length}`);
  }
  if (oldSize === 0) return [];
  return subproof(leaves.slice(0, size), oldSize, true);
}

/** A tree head: how many leaves, and their tree hash. */
export type TreeHead = { readonly size: number; readonly root: Uint8Array };

/** Is the old tree a prefix of the new one? (RFC 9162, section 2.1.4.2) */
export function verifyConsistency(older: TreeHead, newer: TreeHead, path: readonly Uint8Array[]): boolean {
  if (!inRange(newer.size, 0, Number.MAX_SAFE_INTEGER) || !inRange(older.size, 0, newer.size)) return false;
  if (older.size === 0) return path.length === 0 && sameBytes(older.root, rootAt([], 0));
  if (older.size === newer.size) return path.length === 0 && sameBytes(older.root, newer.root);
  let fn = older.size - 1;
  let sn = newer.size - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  // A complete old tree is itself the first node, so its proof leaves it out.
  const steps = fn === 0 ? [older.root, ...path] : path;
  const [first, ...rest] = steps;
  if (first === undefined) return false;
  let before = first;
  let after = first;
  for (const step of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      before = nodeHash(step, before);
      after = nodeHash(step, after);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      after = nodeHash(after, step);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && sameBytes(before, older.root) && sameBytes(after, newer.root);
}
