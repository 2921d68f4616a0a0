import type { RecoveryNeed } from "@heauth/operator";

/** What a recovery will do, for whoever decides on it. Ends with a newline. */
export function describeRecoveryPlan(tenant: string, need: Extract<RecoveryNeed, { kind: "Needed" }>): string {
  const { head, anchor, why } = need;
  const lost =
    anchor === undefined ? "can't be told: there is no anchor that could be relied on" : lostOf(anchor.size, head.size);
  return [
    `The log of ${tenant} does not go on from its anchor:`,
    `  found    ${why}`,
    `  log      epoch ${head.epoch}, ${head.size} entries: all of them are kept`,
    `  anchor   ${anchor === undefined ? "none" : `epoch ${anchor.epoch}, ${anchor.size} entries`}`,
    `  lost     ${lost}`,
    "A recovery begins a new epoch behind the entries that are kept. It can't be taken back: it stays in the log, `heauth ledger verify`",
    "tells everybody of it, and the tenant's receivers are alerted. If there is a newer backup, restore that one first.",
    "",
  ].join("\n");
}

function lostOf(anchored: number, kept: number): string {
  if (anchored > kept) return `${anchored - kept} entries that the anchor knew`;
  return "can't be told: the log is as long as the anchor's, and has another history";
}
