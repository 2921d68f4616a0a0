/** How full the write-ahead log is: from `Warn` on it is said, at `PushBack` writers are slowed, at `Deny` they are refused. */
export type FillLevel = "Normal" | "Warn" | "PushBack" | "Deny";

const WARN = 0.7;
const PUSH_BACK = 0.85;
const DENY = 0.95;
/** What the slowest writer waits more, in ms. */
const LONGEST_DELAY_MS = 100;

/** The level at `used` of `quota` bytes. What is above `Deny` is kept for control records (`journal.close`, `gap`). */
export function fillLevel(used: number, quota: number): FillLevel {
  const share = used / quota;
  if (share >= DENY) return "Deny";
  if (share >= PUSH_BACK) return "PushBack";
  return share >= WARN ? "Warn" : "Normal";
}

/** How long a writer is held back, in ms: nothing below `PushBack`, rising towards `Deny`. */
export function pushBackDelay(used: number, quota: number): number {
  const share = (used / quota - PUSH_BACK) / (DENY - PUSH_BACK);
  return share < 0 ? 0 : Math.min(1, share) * LONGEST_DELAY_MS;
}
