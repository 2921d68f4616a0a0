import { HASH_BYTES } from "../hash.ts";

const FIRST_CAPACITY = 4;

/** A session's leaves in one journal, in order, with the segments that they are in: 32 bytes a leaf. */
export class HeldLeaves {
  #bytes: Buffer | undefined = Buffer.allocUnsafeSlow(FIRST_CAPACITY * HASH_BYTES);
  #count = 0;
  #segments: { readonly number: number; count: number }[] = [];

  get count(): number {
    return this.#count;
  }

  add(number: number, leaf: Uint8Array): void {
    const last = this.#segments.at(-1);
    if (last?.number === number) last.count++;
    else this.#segments.push({ number, count: 1 });
    if (this.#bytes !== undefined) {
      if (this.#bytes.length === this.#count * HASH_BYTES) {
        const larger = Buffer.allocUnsafeSlow(2 * this.#bytes.length);
        this.#bytes.copy(larger);
        this.#bytes = larger;
      }
      this.#bytes.set(leaf, this.#count * HASH_BYTES);
    }
    this.#count++;
  }

  /** Keeps only the numbers from now on: how many leaves are in which segment. */
  forgetLeaves(): void {
    this.#bytes = undefined;
  }

  /** The first `count` leaves; undefined when they were forgotten. */
  leaves(count: number): Uint8Array[] | undefined {
    const bytes = this.#bytes;
    if (bytes === undefined) return undefined;
    return Array.from({ length: count }, (_, index) => bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES));
  }

  /** How many leaves are in segments `first` to `last`. */
  within(first: number, last: number): number {
    let count = 0;
    for (const segment of this.#segments) if (segment.number >= first && segment.number <= last) count += segment.count;
    return count;
  }

  /** Takes the segments `first` to `last` out of account. The leaves themselves are of no use then. */
  settle(first: number, last: number): void {
    this.forgetLeaves();
    this.#count -= this.within(first, last);
    this.#segments = this.#segments.filter(({ number }) => number < first || number > last);
  }
}
