import { LedgerError } from "./errors.ts";
import { EMPTY_ROOT, HASH_BYTES, nodeHash } from "./hash.ts";

/** How many complete subtrees a tree of `size` leaves is made of: the ones in its binary form. */
function subtrees(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

/**
 * The right edge of an RFC 6962 tree: the roots of its complete subtrees, largest first. Enough to append leaves and to know
 * the root, in O(log n) memory. `size` may go up to 2^53 - 1.
 */
export class Frontier {
  #size: number;
  readonly #roots: Uint8Array[];

  private constructor(size: number, roots: Uint8Array[]) {
    this.#size = size;
    this.#roots = roots;
  }

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /**
   * Reads back what `toBytes()` wrote; the size is kept beside it.
   * @throws LedgerError FrontierInvalid when the bytes do not fit the size
   */
  static of(size: number, bytes: Uint8Array): Frontier {
    if (!Number.isSafeInteger(size) || size < 0) throw new LedgerError("FrontierInvalid", "size is not a whole number");
    if (bytes.length !== subtrees(size) * HASH_BYTES) {
      throw new LedgerError("FrontierInvalid", `a tree of ${size} leaves has ${subtrees(size)} subtrees`);
    }
    const roots: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += HASH_BYTES) roots.push(bytes.slice(at, at + HASH_BYTES));
    return new Frontier(size, roots);
  }

  get size(): number {
    return this.#size;
  }

  /** Appends one leaf hash. */
  append(leaf: Uint8Array): void {
    let node = leaf;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = this.#roots.pop();
      if (left === undefined) throw new LedgerError("FrontierInvalid", "a subtree is missing");
      node = nodeHash(left, node);
    }
    this.#roots.push(node);
    this.#size++;
  }

  /** The tree hash of all leaves so far; `EMPTY_ROOT` without any. */
  root(): Uint8Array {
    let root: Uint8Array | undefined;
    for (const left of this.#roots.toReversed()) root = root === undefined ? left : nodeHash(left, root);
    return root ?? EMPTY_ROOT;
  }

  clone(): Frontier {
    return new Frontier(this.#size, [...this.#roots]);
  }

  /** The subtree roots one after another, largest first. */
  toBytes(): Buffer {
    return Buffer.concat(this.#roots);
  }
}
