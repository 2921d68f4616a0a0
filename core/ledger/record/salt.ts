import { randomFillSync } from "node:crypto";

/** Random bytes that go before a private part, so that its hash tells nothing. */
export const SALT_BYTES = 16;

// One call to the system's randomness per thousand salts.
const pool = Buffer.alloc(1024 * SALT_BYTES);
let used = pool.length;

/** Writes a fresh salt to the start of the buffer. */
export function writeSalt(into: Uint8Array): void {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  into.set(pool.subarray(used, used + SALT_BYTES));
  used += SALT_BYTES;
}
