import { describe, expect, test } from "@jest/globals";
import { describeGap, JOURNAL_LOST } from "../gap.ts";
import { sha256 } from "../hash.ts";
import { encodeRecord } from "../record/encode.ts";
import { RogueJournal } from "../testing/rogue-journal.ts";
import { scene, tampered } from "../testing/scene.ts";
import type { TestJournal } from "../testing/test-journal.ts";
import type { TestLedger } from "../testing/test-ledger.ts";

/** The operator tells that nobody knows what came after the journal's newest record. */
function lose(ledger: TestLedger, operator: TestJournal, { id, seq }: TestJournal): void {
  operator.write([{ type: "gap", at: ledger.now(), gap: { journal: id, from: seq }, reason: JOURNAL_LOST }]);
}

function lossy() {
  const it = scene();
  lose(it.ledger, it.operator, it.sidecar);
  it.ledger.seal();
  const gap = { journal: it.sidecar.id, pod: "clinic/app-0", from: 2, lost: undefined, reason: JOURNAL_LOST };
  return { ...it, gap: { ...gap, record: `${it.operator.id}/1` } };
}

const complete = { status: "Intact", incomplete: [], counts: { gaps: 0 } };

describe("a journal that was lost", () => {
  test("leaves the ledger intact, incomplete, and is named with its pod and what may be missing", async () => {
    const { ledger, gap, check } = lossy();
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact", incomplete: [gap], counts: { gaps: 1 } });
  });

  test("and of which more came all the same still has an end that nobody knows", async () => {
    const { ledger, gap, sidecar, session, check } = lossy();
    sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Allow" }]);
    ledger.seal();
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact", incomplete: [{ ...gap, from: 3 }] });
  });

  test.each(["by itself", "by the one that recovers it"])("and was closed after all, %s, lacks nothing", async (by) => {
    const { ledger, sidecar, session, check } = lossy();
    const pod = "clinic/app-0";
    const signer = by === "by itself" ? sidecar : ledger.openJournal("sidecar", { pod, recovers: [sidecar] });
    const decision = { type: "decision", at: ledger.now(), session, decision: "Allow" } as const;
    sidecar.write([decision, { type: "journal.close", at: ledger.now() }], signer);
    ledger.seal();
    expect(await check(ledger.stored())).toMatchObject(complete);
  });

  test("and was closed before that, lacks nothing", async () => {
    const { ledger, operator, sidecar, check } = scene();
    sidecar.write([{ type: "journal.close", at: ledger.now() }]);
    lose(ledger, operator, sidecar);
    ledger.seal();
    expect(await check(ledger.stored())).toMatchObject(complete);
  });

  test("lacks what its recovery says is missing, although it is closed", async () => {
    const { ledger, sidecar, check } = lossy();
    const next = ledger.openJournal("sidecar", { pod: "clinic/app-0", recovers: [sidecar] });
    const gap = { journal: sidecar.id, from: sidecar.seq, lost: 4 };
    next.write([{ type: "gap", at: ledger.now(), gap, reason: "WalCorrupt" }]);
    sidecar.write([{ type: "journal.close", at: ledger.now() }], next);
    ledger.seal();
    expect(await check(ledger.stored())).toMatchObject({
      status: "Intact",
      incomplete: [{ ...gap, pod: "clinic/app-0", reason: "WalCorrupt" }],
    });
  });
});

describe("somebody with the database's rights", () => {
  test("can't take the gap away", async () => {
    const { ledger, check } = lossy();
    const stored = ledger.stored();
    const index = stored.entries.length - 1;
    const emptied = stored.entries.map((entry) => (entry.index === index ? { ...entry, row: undefined } : entry));
    expect(await check({ ...stored, entries: emptied })).toMatchObject(
      tampered({ class: "LogEntryMissing", place: { index } }),
    );
    const cut = { entries: stored.entries.slice(0, index), checkpoints: stored.checkpoints.slice(0, -1) };
    expect(await check({ ...stored, ...cut })).toMatchObject({
      status: "Tampered",
      findings: expect.arrayContaining([expect.objectContaining({ class: "RolledBack" })]),
    });
  });

  test("can't fill it: only the journal, or who recovers it, closes it", async () => {
    const { ledger, sidecar, gap, check } = lossy();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    const headers = [...stored.entries].flatMap(({ row }) =>
      row?.kind === "segment" && row.journal === sidecar.id ? [row.header] : [],
    );
    const { id, seq } = sidecar;
    const head = { number: headers.length, seq, previous: sha256(headers.at(-1) ?? Buffer.alloc(0)) };
    const close = { type: "journal.close", at: ledger.now(), source: "sidecar", pod: "clinic/app-0" } as const;
    const record = encodeRecord(close, { tenant: ledger.tenant, journal: id, seq, prev: undefined });
    stored.unsealed.push(rogue.segment([record], { journal: id, head, final: true }));
    expect(await check(stored)).toMatchObject({
      status: "Tampered",
      findings: expect.arrayContaining([expect.objectContaining({ place: { journal: id, number: head.number } })]),
      incomplete: [gap],
    });
  });

  test("can't make one up", async () => {
    const { ledger, sidecar, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    const gap = { journal: sidecar.id, from: 2 };
    const told = rogue.sequence.append({ type: "gap", at: 5, source: "operator", gap, reason: JOURNAL_LOST });
    stored.unsealed.push(rogue.segment([told]));
    expect(await check(stored)).toMatchObject({ status: "Tampered", findings: [{ class: "UnregisteredJournal" }] });
  });
});

test.each([
  [{ journal: "j", from: 3, lost: 4 }, undefined, "4 records of journal j from seq 3 on"],
  [
    { journal: "j", from: 3 },
    "a/b",
    "an unknown number of records, perhaps none, of journal j of pod a/b from seq 3 on",
  ],
])("%j is told to people", (gap, pod, text) => {
  expect(describeGap(gap, pod)).toBe(text);
});
