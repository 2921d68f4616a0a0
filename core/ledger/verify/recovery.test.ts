import { describe, expect, test } from "@jest/globals";
import { leafHash } from "../hash.ts";
import { signKeyChange } from "../key-change.ts";
import { pinnedKey } from "../keys.ts";
import { signCheckpoint } from "../log/checkpoint.ts";
import { parseRecovery, type Recovery, signRecovery } from "../recovery.ts";
import { honestHistory } from "../testing/honest-history.ts";
import { testSigner } from "../testing/keys.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { scene, tampered } from "../testing/scene.ts";
import type { TestLedger } from "../testing/test-ledger.ts";
import type { StoredRecovery } from "./source.ts";
import { verifyLedger } from "./verify.ts";

/** A checkpoint of a history that this database does not have (any more). */
function lostAnchor(ledger: TestLedger, more: number, epoch = 0): string {
  const size = ledger.stored().entries.length + more;
  const root = leafHash(Buffer.from(`lost ${size}`));
  return signCheckpoint({ tenant: ledger.tenant, epoch, size, root }, ledger.keys.operator);
}

/** A ledger that was rolled back by four entries, recovered, and went on. */
function recovered() {
  const made = scene();
  const { ledger, sidecar, session } = made;
  const size = ledger.stored().entries.length;
  const before = ledger.anchor();
  const lost = lostAnchor(ledger, 4);
  ledger.recover(lost);
  sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Deny" }]);
  ledger.seal();
  return { ...made, size, before, lost };
}

describe("a recovered ledger", () => {
  test("is intact, says what was lost, and goes on from every anchor that it accounts for", async () => {
    const { ledger, size, before, lost, check } = recovered();
    const told = [
      {
        epoch: 1,
        at: expect.any(Number),
        signer: ledger.keys.cli.id,
        reason: "restored last night's backup",
        finding: "RolledBack",
        size,
        anchorSize: size + 4,
        lost: 4,
      },
    ];
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact", anchor: "Matched", recoveries: told });
    expect(await check(ledger.stored(), before)).toMatchObject({ status: "Intact", anchor: "Matched" });
    expect(await check(ledger.stored(), lost)).toMatchObject({ status: "Intact", anchor: "Recovered" });
    expect(await verifyLedger(new MemorySource(ledger.stored()), ledger.keys.pinned)).toMatchObject({
      status: "Intact",
      recoveries: told,
    });
  });

  test("accounts for older anchors of what was lost, and for no newer ones", async () => {
    const { ledger, size, check } = recovered();
    const anchorAt = (at: number) =>
      signCheckpoint(
        { tenant: ledger.tenant, epoch: 0, size: at, root: leafHash(Buffer.from(`${at}`)) },
        ledger.keys.operator,
      );
    expect(await check(ledger.stored(), anchorAt(size + 2))).toMatchObject({ status: "Intact", anchor: "Recovered" });
    // Another history of the same size is not the one that the recovery knew of.
    expect(await check(ledger.stored(), anchorAt(size + 4))).toMatchObject(tampered({ class: "RolledBack" }));
    expect(await check(ledger.stored(), anchorAt(size + 5))).toMatchObject(tampered({ class: "RolledBack" }));
    // What the recovery says was kept must be what was there.
    expect(await check(ledger.stored(), anchorAt(size - 1))).toMatchObject(tampered({ class: "Forked" }));
  });

  test("that was forked accounts for the other history", async () => {
    const { ledger, check } = scene();
    const other = lostAnchor(ledger, 0);
    ledger.recover(other, { finding: "Forked" });
    const verdict = await check(ledger.stored(), other);
    expect(verdict).toMatchObject({ status: "Intact", anchor: "Recovered", recoveries: [{ finding: "Forked" }] });
    expect(verdict.recoveries[0]?.lost).toBeUndefined();
  });

  test("that had no anchor accounts for none", async () => {
    const { ledger, check } = scene();
    const lost = lostAnchor(ledger, 4);
    ledger.recover();
    expect(await check(ledger.stored())).toMatchObject({
      status: "Intact",
      recoveries: [{ finding: "AnchorMissing" }],
    });
    expect(await check(ledger.stored(), lost)).toMatchObject(tampered({ class: "RolledBack" }));
  });

  test("can be recovered again, and begins with a recovery where nothing is left", async () => {
    const { ledger, check } = recovered();
    const lost = lostAnchor(ledger, 7, 1);
    ledger.recover(lost);
    expect(await check(ledger.stored(), lost)).toMatchObject({ anchor: "Recovered", counts: { recoveries: 2 } });
    const empty = honestHistory({ steps: 0, unsealedTail: true });
    empty.recover(lostAnchor(empty, 9));
    empty.seal();
    const verdict = await verifyLedger(new MemorySource(empty.stored()), empty.keys.pinned, empty.anchor());
    expect(verdict).toMatchObject({ status: "Intact", anchor: "Matched", recoveries: [{ size: 0, lost: 9 }] });
  });
});

describe("nobody hides a rollback by a recovery", () => {
  test.each(["hub", "identity"] as const)("that %s signed", async (program) => {
    const { ledger, check } = scene();
    ledger.recover(lostAnchor(ledger, 4), { by: ledger.keys[program] });
    const found = (await check(ledger.stored())).findings.map((each) => each.class);
    expect(found).toContain("KeyNotPinned");
    expect(found).toContain("RecoveryInvalid");
  });

  test("that a stranger signed, or a retired key", async () => {
    const { ledger, check } = scene();
    ledger.recover(undefined, { by: testSigner("cli") });
    expect((await check(ledger.stored())).findings.map((each) => each.class)).toContain("KeyNotPinned");
    const other = scene();
    const key = pinnedKey("cli", other.ledger.keys.cli.publicKey);
    const retired = signKeyChange(
      { tenant: other.ledger.tenant, key, at: 1, event: "Retired" },
      other.ledger.keys.operator,
    );
    const stored = other.ledger.stored();
    other.ledger.recover();
    const last = other.ledger.stored().entries.at(-1);
    stored.entries.push({ index: stored.entries.length, leaf: last?.leaf ?? Buffer.alloc(32), row: last?.row });
    const [entry] = stored.entries.splice(-1);
    stored.entries.push({ index: stored.entries.length, leaf: Buffer.alloc(32), row: { kind: "key", ...retired } });
    if (entry !== undefined) stored.entries.push({ ...entry, index: stored.entries.length });
    const found = await other.check(stored, undefined);
    expect(found.findings).toContainEqual(
      expect.objectContaining({ class: "RecoveryInvalid", message: expect.stringContaining("retired") }),
    );
  });

  const tamper = (change: (row: StoredRecovery) => StoredRecovery) => {
    const made = recovered();
    const stored = made.ledger.stored();
    stored.entries = stored.entries.map((entry) =>
      entry.row?.kind === "recovery" ? { ...entry, row: change(entry.row) } : entry,
    );
    return made.check(stored);
  };

  test.each<[string, (row: StoredRecovery) => StoredRecovery, string]>([
    ["the reason", (row) => ({ ...row, body: edited(row.body, "backup", "bakcup") }), "HeaderAltered"],
    ["how much was lost", (row) => ({ ...row, body: edited(row.body, '"size":', '"size":1') }), "HeaderAltered"],
    ["the signature", (row) => ({ ...row, signature: Buffer.alloc(64, 1) }), "HeaderAltered"],
    ["the whole of it", (row) => ({ ...row, body: Buffer.from("{}") }), "HeaderAltered"],
  ])("of which %s was altered afterwards", async (_what, change, finding) => {
    expect((await tamper(change)).findings.map((each) => each.class)).toContain(finding);
  });

  test.each(["row", "entry"])("whose %s was deleted", async (what) => {
    const { ledger, check } = recovered();
    const stored = ledger.stored();
    if (what === "entry") stored.entries = stored.entries.filter(({ row }) => row?.kind !== "recovery");
    else
      stored.entries = stored.entries.map((entry) =>
        entry.row?.kind === "recovery" ? { ...entry, row: undefined } : entry,
      );
    const found = (await check(stored)).findings.map((each) => each.class);
    expect(found).toContain("LogEntryMissing");
    expect(found).toContain("RecoveryInvalid");
  });

  test.each<[string, Partial<Recovery>]>([
    ["another log", { log: { epoch: 0, size: 1, root: Buffer.alloc(32).toString("base64url") } }],
    ["another tenant's", { tenant: "00000000-0000-4000-8000-000000000000" }],
  ])("that was signed for %s", async (_what, changed) => {
    const { ledger, check } = scene();
    ledger.recover(undefined, changed);
    expect((await check(ledger.stored())).findings.map((each) => each.class)).toContain("RecoveryInvalid");
  });

  test("that only waits, and no log holds", async () => {
    const { ledger, check } = scene();
    const stored = ledger.stored();
    const lost = lostAnchor(ledger, 4);
    ledger.recover(lost);
    const row = ledger.stored().entries.at(-1)?.row;
    if (row !== undefined) stored.unsealed.push(row);
    expect(await check(stored, lost)).toMatchObject(tampered({ class: "RolledBack" }));
  });
});

describe("a recovery's document", () => {
  const { ledger } = scene();
  const draft = () => {
    ledger.recover(lostAnchor(ledger, 1));
    const row = ledger.stored().entries.at(-1)?.row as StoredRecovery;
    const { v: _, signer: __, ...fields } = parseRecovery(row.body);
    return fields;
  };

  test.each([
    ["an epoch that is not new", { epoch: 0 }],
    ["an anchor that its note does not say", { anchor: { epoch: 0, size: 3, root: "A".repeat(43), note: "x" } }],
    ["a reason of two lines", { reason: "one\ntwo" }],
    ["no reason", { reason: "" }],
  ])("with %s is refused", (_what, changed) => {
    expect(() => signRecovery({ ...draft(), ...changed }, ledger.keys.cli)).toThrow(
      expect.objectContaining({ code: "DocumentInvalid" }),
    );
  });
});

function edited(body: Uint8Array, from: string, to: string): Buffer {
  return Buffer.from(Buffer.from(body).toString().replace(from, to));
}
