import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "./clock.ts";

const COUNTER_MAX = 0xfff;

/**
 * A maker of UUIDv7 (RFC 9562 section 5.7) whose ids sort in the order they were made, also within one millisecond and when
 * the wall clock is set back: 48 bits of milliseconds, a 12-bit counter (section 6.2, method 1), 62 random bits.
 */
export function createUuidv7(clock: Clock = systemClock): () => string {
  let lastMs = 0;
  let counter = 0;

  return () => {
    const random = randomBytes(10);
    const nowMs = clock.wallMs();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = random.readUInt16BE(8) & 0x7ff;
    } else if (counter < COUNTER_MAX) {
      counter += 1;
    } else {
      lastMs += 1;
      counter = 0;
    }
    random[0] = 0x80 | ((random[0] ?? 0) & 0x3f);
    const time = lastMs.toString(16).padStart(12, "0");
    const low = random.toString("hex", 0, 8);
    const middle = (0x7000 | counter).toString(16);
    return `${time.slice(0, 8)}-${time.slice(8)}-${middle}-${low.slice(0, 4)}-${low.slice(4)}`;
  };
}

/** A UUIDv7 from this process's own sequence. */
export const uuidv7 = createUuidv7();

/** Whether it is a UUID in the one form that heauth writes, lower case: PostgreSQL takes others too. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
