import { HASH_BYTES } from "../hash.ts";

const FIRST_CAPACITY = 4;

/** How many of a session's records a segment holds, and how many of these are decisions or actions. */
type Tally = { readonly number: number; count: number; actions: number };

/** A session's leaves in one journal, in order, with the segments that they are in: 32 bytes a leaf. */
export class HeldLeaves {
  #bytes: Buffer | undefined = Buffer.allocUnsafeSlow(FIRST_CAPACITY * HASH_BYTES);
  #count = 0;
  #segments: Tally[] = [];

  get count(): number {
    return this.#count;
  }

  add(number: number, leaf: Uint8Array, isAction: boolean): void {
    const last = this.#segments.at(-1);
    const actions = isAction ? 1 : 0;
    if (last?.number === number) {
      last.count++;
      last.actions += actions;
    } else {
      this.#segments.push({ number, count: 1, actions });
    }
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

  /** How many of the records up to segment `last` are decisions or actions. */
  actionsUpTo(last: number): number {
    let actions = 0;
    for (const segment of this.#segments) if (segment.number <= last) actions += segment.actions;
    return actions;
  }

  /** Takes the segments `first` to `last` out of account. The leaves themselves are of no use then. */
  settle(first: number, last: number): void {
    this.forgetLeaves();
    this.#count -= this.within(first, last);
    this.#segments = this.#segments.filter(({ number }) => number < first || number > last);
  }
}
