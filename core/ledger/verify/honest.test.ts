import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { honestHistory } from "../testing/honest-history.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { TestLedger } from "../testing/test-ledger.ts";
import type { LedgerSource } from "./source.ts";
import { verifyLedger } from "./verify.ts";

/** A source that lacks what only some have, and counts how often it is asked. */
function counting(ledger: TestLedger): { source: LedgerSource; asked: () => number } {
  const inner = new MemorySource(ledger.stored());
  let asked = 0;
  const count = <T>(answer: T): T => {
    asked++;
    return answer;
  };
  const source: LedgerSource = {
    tenant: inner.tenant,
    size: () => inner.size(),
    entries: () => inner.entries(),
    unsealed: () => inner.unsealed(),
    strays: () => inner.strays(),
    checkpoints: () => inner.checkpoints(),
    erasures: () => inner.erasures(),
    segment: (name) => count(inner.segment(name)),
    segmentsOfSession: (session, journal) => count(inner.segmentsOfSession(session, journal)),
    blockOfSession: (session) => count(inner.blockOfSession(session)),
  };
  return { source, asked: () => asked };
}

test("no honest history raises an alarm", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1_000_000), fc.integer({ min: 0, max: 90 }), fc.boolean(), async (seed, steps, tail) => {
      const ledger = honestHistory({ seed, steps, unsealedTail: tail });
      const verdict = await verifyLedger(new MemorySource(ledger.stored()), ledger.keys.pinned, ledger.anchor());
      expect(verdict).toMatchObject({ status: "Intact", findings: [] });
    }),
    { numRuns: 40 },
  );
});

test("every older checkpoint is an anchor that the history still matches", async () => {
  const ledger = honestHistory({ seed: 5, steps: 80 });
  const stored = ledger.stored();
  expect(stored.checkpoints.length).toBeGreaterThan(3);
  for (const { note } of stored.checkpoints) {
    const verdict = await verifyLedger(new MemorySource(stored), ledger.keys.pinned, note);
    expect(verdict).toMatchObject({ status: "Intact", anchor: "Matched" });
  }
});

test("counts what it has seen", async () => {
  const ledger = new TestLedger();
  const identity = ledger.openJournal("identity");
  const sidecar = ledger.openJournal("sidecar", { pod: "a/b" });
  const session = ledger.openSession(identity);
  const still = ledger.openSession(identity);
  const allow = (of: string) => ({ type: "decision", at: ledger.now(), session: of, decision: "Allow" }) as const;
  sidecar.write([allow(session), allow(still), allow(session)]);
  identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
  ledger.seal();
  ledger.closeBlock(session);
  ledger.seal();
  sidecar.write([allow(session), { type: "gap", at: ledger.now(), gap: { journal: identity.id, from: 9 } }]);
  const verdict = await verifyLedger(new MemorySource(ledger.stored()), ledger.keys.pinned, ledger.anchor());
  expect(verdict).toMatchObject({
    status: "Intact",
    anchor: "Matched",
    incomplete: [{ journal: identity.id, from: 9, lost: undefined, record: `${sidecar.id}/5` }],
    pending: [{ session, journal: sidecar.id, count: 1 }],
    counts: {
      entries: 4 + 2 + 6 + 1,
      checkpoints: 2,
      journals: 2,
      openJournals: 2,
      segments: 7,
      records: 10,
      privateParts: 2,
      erased: 0,
      blocks: 1,
      openSessions: 1,
      unsealed: 1,
      findings: 0,
      gaps: 1,
    },
  });
});

test("an empty ledger is intact, and holds against the anchor of an empty one only", async () => {
  const empty = new MemorySource({
    tenant: new TestLedger().tenant,
    entries: [],
    unsealed: [],
    strays: [],
    checkpoints: [],
    statements: new Map(),
  });
  const ledger = new TestLedger();
  expect(await verifyLedger(empty, ledger.keys.pinned)).toMatchObject({ status: "Intact", anchor: "None" });
  ledger.seal();
  const verdict = await verifyLedger(empty, ledger.keys.pinned, ledger.anchor());
  expect(verdict).toMatchObject({
    status: "Tampered",
    findings: [{ class: "RolledBack", place: { anchor: true, size: 4 } }],
  });
});

describe("cannot check", () => {
  const ledger = honestHistory({ seed: 3, steps: 10 });
  const source = () => new MemorySource(ledger.stored());

  test("without an anchor where one is required", async () => {
    const verdict = await verifyLedger(source(), ledger.keys.pinned, undefined, { requireAnchor: true });
    expect(verdict).toMatchObject({ status: "Unchecked", anchor: "None", problem: "there is no anchor" });
  });

  test("against an anchor that can't be read, or is another tenant's", async () => {
    const other = new TestLedger(99);
    other.seal();
    for (const anchor of ["", "not a note\n", other.anchor()]) {
      const verdict = await verifyLedger(source(), ledger.keys.pinned, anchor);
      expect(verdict).toMatchObject({ status: "Unchecked", problem: expect.stringContaining("the anchor") });
    }
  });

  test("when the source fails: the error is the caller's", async () => {
    const failing: LedgerSource = Object.assign(source(), {
      entries: async function* () {
        yield* [];
        throw new RangeError("the connection is gone");
      },
    });
    await expect(verifyLedger(failing, ledger.keys.pinned)).rejects.toThrow("the connection is gone");
  });
});

test("tells how far it is", async () => {
  const ledger = honestHistory({ seed: 4, steps: 30 });
  const told: unknown[] = [];
  const { counts } = await verifyLedger(new MemorySource(ledger.stored()), ledger.keys.pinned, undefined, {
    progress: (done) => told.push(done),
  });
  expect(told.at(-1)).toEqual({ entries: counts.entries, of: counts.entries, records: expect.any(Number) });
});

test("remembers no more findings than it is asked to, but counts them all", async () => {
  const ledger = honestHistory({ seed: 6, steps: 60 });
  const stored = ledger.stored();
  stored.entries = stored.entries.map((entry) => ({ ...entry, row: undefined }));
  const verdict = await verifyLedger(new MemorySource(stored), ledger.keys.pinned, undefined, { maxFindings: 3 });
  expect(verdict.findings).toHaveLength(3);
  expect(verdict.counts.findings).toBe(stored.entries.length);
});

test("asks the source only about sessions that it can't know", async () => {
  const ledger = new TestLedger();
  const identity = ledger.openJournal("identity");
  const sidecar = ledger.openJournal("sidecar", { pod: "a/b" });
  for (let n = 0; n < 20; n++) {
    const session = ledger.openSession(identity);
    sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Allow" }]);
    identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
    ledger.seal();
    ledger.closeBlock(session);
  }
  ledger.seal();
  const { source, asked } = counting(ledger);
  expect(await verifyLedger(source, ledger.keys.pinned)).toMatchObject({ status: "Intact", counts: { blocks: 20 } });
  expect(asked()).toBe(0);
});

test("a session of more records than are held in memory has its block checked as well", async () => {
  const ledger = new TestLedger();
  const identity = ledger.openJournal("identity");
  const sidecar = ledger.openJournal("sidecar", { pod: "a/b" });
  const session = ledger.openSession(identity);
  const allow = { type: "decision", at: ledger.now(), session, decision: "Allow" } as const;
  for (let n = 0; n < 17; n++) sidecar.write(Array.from({ length: 4096 }, () => allow));
  identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
  ledger.seal();
  ledger.closeBlock(session);
  sidecar.write([allow]);
  ledger.seal();
  const { source, asked } = counting(ledger);
  const verdict = await verifyLedger(source, ledger.keys.pinned);
  expect(verdict).toMatchObject({ status: "Intact", counts: { blocks: 1 }, pending: [{ session, count: 1 }] });
  expect(asked()).toBeGreaterThan(17);
});
