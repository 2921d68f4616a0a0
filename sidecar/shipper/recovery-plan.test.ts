import { encodeRecord, type JournalHead } from "@heauth/core/ledger";
import { expect, test } from "@jest/globals";
import type { Leftover } from "../wal/leftovers.ts";
import { planRecovery } from "./recovery-plan.ts";
import { owner } from "./testing/journal-rig.ts";

const journal = "01930000-0000-7000-8000-00000000000a";

function leftover(some: Partial<Leftover>): Leftover {
  return {
    journal,
    owner,
    readable: [],
    paths: [],
    first: 0,
    next: 10,
    last: recordAt("decision"),
    bestEffort: false,
    corruption: undefined,
    size: 0,
    ...some,
  };
}

function recordAt(type: "decision" | "journal.close"): Uint8Array {
  const input = { at: 1, source: "sidecar" } as const;
  const place = { tenant: owner.tenant, journal, seq: 9, prev: undefined };
  if (type === "journal.close") return encodeRecord({ ...input, type }, place).bytes;
  return encodeRecord({ ...input, type, decision: "Deny" }, place).bytes;
}

function known(seq: number, final = false) {
  const head: JournalHead = { number: 3, seq, previous: Buffer.alloc(32, 1) };
  return { journal, head, final };
}

test.each([
  ["the rest is shipped and closed", {}, known(4), { from: 4, to: 10, isClosed: false, outcome: "Remove" }],
  ["all was shipped: only the close", {}, known(10), { from: 10, to: 10, isClosed: false, outcome: "Remove" }],
  ["the hub is further than the disk", {}, known(12), { from: 12, to: 12, isClosed: false, outcome: "Remove" }],
  [
    "it closed itself and could not ship",
    { last: recordAt("journal.close") },
    known(4),
    { from: 4, to: 10, isClosed: true, outcome: "Remove" },
  ],
  [
    "best effort records may be missing",
    { bestEffort: true },
    known(4),
    { from: 4, to: 10, isClosed: false, outcome: "Remove", gap: { from: 10 }, reason: "BestEffort" },
  ],
  [
    "a place before the end is corrupt",
    { corruption: { beyond: 25 } },
    known(4),
    { from: 4, to: 10, isClosed: false, outcome: "Quarantine", gap: { from: 10, lost: 15 }, reason: "WalCorrupt" },
  ],
  [
    "and nobody knows how much",
    { corruption: { beyond: undefined } },
    known(4),
    { from: 4, to: 10, isClosed: false, outcome: "Quarantine", gap: { from: 10 }, reason: "WalCorrupt" },
  ],
  [
    "but all of it was shipped before",
    { corruption: { beyond: 25 } },
    known(25),
    { from: 25, to: 25, isClosed: false, outcome: "Quarantine" },
  ],
  [
    "records between the hub and the disk are gone",
    { first: 6 },
    known(4),
    { from: 4, to: 4, isClosed: false, outcome: "Quarantine", gap: { from: 4, lost: 6 }, reason: "WalCorrupt" },
  ],
] as const)("%s", (_, some, hub, { from, to, isClosed, outcome, ...missing }) => {
  const plan = planRecovery(leftover(some), hub);
  expect(plan.ship).toEqual({ head: hub.head, to, isClosed });
  expect(plan.ship?.head.seq).toBe(from);
  expect(plan.outcome).toBe(outcome);
  expect(plan.gap).toEqual("gap" in missing ? { gap: { journal, ...missing.gap }, reason: missing.reason } : undefined);
});

test("a journal that is final at the hub is done with", () => {
  expect(planRecovery(leftover({}), known(10, true))).toEqual({ ship: undefined, gap: undefined, outcome: "Remove" });
});

test("one that was never registered holds only its opening", () => {
  expect(planRecovery(leftover({ next: 1 }), undefined)).toEqual({
    ship: undefined,
    gap: undefined,
    outcome: "Remove",
  });
});

test("one that the hub has forgotten is a gap, and kept", () => {
  const gap = { gap: { journal, from: 0, lost: 10 }, reason: "WalCorrupt" };
  expect(planRecovery(leftover({}), undefined)).toEqual({ ship: undefined, gap, outcome: "Quarantine" });
});
