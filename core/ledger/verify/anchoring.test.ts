import { describe, expect, test } from "@jest/globals";
import { leafHash } from "../hash.ts";
import { signKeyChange } from "../key-change.ts";
import { type KeyProgram, pinnedKey, pinnedKeys } from "../keys.ts";
import { signCheckpoint } from "../log/checkpoint.ts";
import { testSigner } from "../testing/keys.ts";
import { RogueJournal } from "../testing/rogue-journal.ts";
import { scene, tampered } from "../testing/scene.ts";

describe("keys", () => {
  test("a ledger signed by keys that are not pinned is found", async () => {
    const { ledger, check } = scene();
    const programs: KeyProgram[] = ["hub", "identity", "operator", "cli"];
    for (const program of programs) {
      const swapped = new Map(ledger.keys.pinned);
      swapped.delete(ledger.keys[program].id);
      const fresh = testSigner(program);
      swapped.set(fresh.id, pinnedKey(program, fresh.publicKey));
      const verdict = await check(ledger.stored(), ledger.anchor(), swapped);
      expect(verdict.status).toBe("Tampered");
      expect(verdict.findings.map((finding) => finding.class)).toContain("KeyNotPinned");
    }
  });

  test("without any key of the operator's nothing can be said of checkpoints", async () => {
    const { ledger, check } = scene();
    const verdict = await check({ ...ledger.stored(), entries: [], checkpoints: [] }, undefined, pinnedKeys([]));
    expect(verdict.problem).toMatch(/no key of the operator/);
  });

  test("a checkpoint of a stranger's is found", async () => {
    const { ledger, check } = scene();
    const stored = ledger.stored();
    const [first] = stored.checkpoints;
    const { size, root } = { size: first?.size ?? 0, root: Buffer.alloc(32) };
    const note = signCheckpoint({ tenant: ledger.tenant, epoch: 0, size, root }, testSigner("operator"));
    stored.checkpoints = [{ epoch: 0, size, note }];
    expect(await check(stored, undefined)).toMatchObject(
      tampered({ class: "KeyNotPinned", place: { size } }, { class: "RolledBack" }),
    );
  });

  test("a key that the log brings into force must be pinned, and the change signed by the operator", async () => {
    const { ledger, check } = scene();
    const fresh = testSigner("hub");
    const change = { tenant: ledger.tenant, key: pinnedKey("hub", fresh.publicKey), at: 1, event: "Pinned" } as const;
    const stored = ledger.stored();
    stored.unsealed = [{ kind: "key", ...signKeyChange(change, ledger.keys.operator) }];
    expect(await check(stored)).toMatchObject(tampered({ class: "KeyNotPinned" }));
    stored.unsealed = [{ kind: "key", ...signKeyChange(change, fresh) }];
    expect(await check(stored)).toMatchObject(tampered({ class: "SignatureInvalid" }));
  });

  test("a retired key registers nothing any more", async () => {
    const { ledger, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    const key = pinnedKey("hub", ledger.keys.hub.publicKey);
    const retired = signKeyChange({ tenant: ledger.tenant, key, at: 1, event: "Retired" }, ledger.keys.operator);
    stored.unsealed = [{ kind: "key", ...retired }, rogue.registration(ledger.keys.hub)];
    expect(await check(stored)).toMatchObject(tampered({ class: "KeyNotPinned", place: { journal: rogue.id } }));
  });
});

describe("history", () => {
  test("of an older copy of the whole database is found", async () => {
    const { ledger, sidecar, session, check } = scene();
    const older = ledger.stored();
    sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Deny" }]);
    ledger.seal();
    const size = ledger.stored().entries.length;
    expect(await check(older)).toMatchObject(tampered({ class: "RolledBack", place: { anchor: true, size } }));
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact", anchor: "Matched" });
  });

  test("that was forked is found, also when it grew longer since", async () => {
    const { ledger, sidecar, session, check } = scene();
    const size = ledger.stored().entries.length;
    const other = { tenant: ledger.tenant, epoch: 0, size, root: leafHash(Buffer.from("another history")) };
    const anchor = signCheckpoint(other, ledger.keys.operator);
    expect(await check(ledger.stored(), anchor)).toMatchObject(
      tampered({ class: "Forked", place: { anchor: true, size } }),
    );
    sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Deny" }]);
    ledger.seal();
    expect(await check(ledger.stored(), anchor)).toMatchObject(
      tampered({ class: "Forked", place: { anchor: true, size } }),
    );
  });

  test("against an anchor of a later epoch is a rolled back one", async () => {
    const { ledger, check } = scene();
    const older = ledger.stored();
    ledger.recover();
    expect(await check(older)).toMatchObject(tampered({ class: "RolledBack", place: { anchor: true } }));
    expect(await check(ledger.stored())).toMatchObject({ status: "Intact", anchor: "Matched" });
  });

  test("an anchor that no pinned key signed is not taken for one", async () => {
    const { ledger, check } = scene();
    const anchor = signCheckpoint(
      { tenant: ledger.tenant, epoch: 0, size: 1, root: Buffer.alloc(32) },
      testSigner("operator"),
    );
    expect(await check(ledger.stored(), anchor)).toMatchObject(
      tampered({ class: "KeyNotPinned", place: { anchor: true } }),
    );
    const forged = (ledger.anchor() ?? "").replace(/\n\d+\n/, "\n1\n");
    expect(await check(ledger.stored(), forged)).toMatchObject(
      tampered({ class: "SignatureInvalid", place: { anchor: true } }),
    );
  });
});
