import { durationPattern } from "./fields.ts";

const unit = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/**
 * Milliseconds of a GEP-2257 duration that a schema has let through.
 * @throws RangeError if it is not one
 */
export function milliseconds(duration: string): number {
  if (!durationPattern.test(duration)) throw new RangeError("not a GEP-2257 duration");
  let sum = 0;
  for (const [, amount, name] of duration.matchAll(/([0-9]+)(ms|h|m|s)/g)) {
    sum += Number(amount) * unit[name as keyof typeof unit];
  }
  return sum;
}
