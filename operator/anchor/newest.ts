import { type Checkpoint, LedgerError, parseCheckpoint } from "@heauth/core/ledger";

/** The one that is further on. What is no checkpoint counts as the newest: it is to be found, not to be passed over. */
export function newestAnchor(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isNewer(b, a) ? b : a;
}

/** Whether `a` is further on than `b`, or no checkpoint at all. */
export function isNewer(a: string, b: string): boolean {
  if (a === b) return false;
  const [one, other] = [read(a), read(b)];
  if (one === undefined || other === undefined) return other !== undefined;
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.size > other.size);
}

function read(note: string): Checkpoint | undefined {
  try {
    return parseCheckpoint(note);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
