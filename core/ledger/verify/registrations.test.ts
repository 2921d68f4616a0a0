import { describe, expect, test } from "@jest/globals";
import { sha256 } from "../hash.ts";
import { JournalSequence } from "../journal/sequence.ts";
import { testSigner } from "../testing/keys.ts";
import { RogueJournal } from "../testing/rogue-journal.ts";
import { allow, scene, tampered } from "../testing/scene.ts";
import type { StoredRegistration } from "./source.ts";
import type { Finding } from "./verdict.ts";

describe("a journal of one's own", () => {
  test("is found when its registrar is not pinned, forged, or another program's", async () => {
    const { ledger, session, check } = scene();
    const stranger = testSigner("hub");
    const forms: [(rogue: RogueJournal) => StoredRegistration, Finding["class"]][] = [
      [(rogue) => rogue.registration(stranger), "KeyNotPinned"],
      [(rogue) => rogue.registration(ledger.keys.hub, {}, stranger), "SignatureInvalid"],
      [(rogue) => rogue.registration(ledger.keys.hub, { program: "identity" }), "KeyNotPinned"],
      [(rogue) => ({ ...rogue.registration(ledger.keys.hub), possession: Buffer.alloc(64) }), "SignatureInvalid"],
    ];
    for (const [registration, found] of forms) {
      const rogue = new RogueJournal(ledger);
      const stored = ledger.stored();
      stored.unsealed.push(registration(rogue), rogue.segment([rogue.open(), rogue.sequence.append(allow(session))]));
      expect(await check(stored)).toMatchObject(tampered({ class: found, place: { journal: rogue.id } }));
    }
  });

  test("is found without any registration", async () => {
    const { ledger, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    stored.unsealed.push(rogue.segment([rogue.open()]));
    expect(await check(stored)).toMatchObject(
      tampered({ class: "UnregisteredJournal", place: { journal: rogue.id, number: 0 } }),
    );
  });

  test("is found when it signs for another's journal", async () => {
    const { ledger, sidecar, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    const record = new JournalSequence({ tenant: ledger.tenant, journal: sidecar.id }).append(allow(session));
    const head = { number: 2, seq: 2, previous: sha256(Buffer.from("?")) };
    stored.unsealed.push(rogue.registration(ledger.keys.hub, { pod: "clinic/app-0" }));
    stored.unsealed.push(rogue.segment([rogue.open()]));
    stored.unsealed.push(rogue.segment([record], { journal: sidecar.id, head }));
    const { findings } = await check(stored);
    expect(findings[0]).toMatchObject({ class: "UnregisteredJournal", place: { journal: sidecar.id, number: 2 } });
  });

  test("is found when it would recover another pod's", async () => {
    const { ledger, sidecar, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    stored.unsealed.push(rogue.registration(ledger.keys.hub, { pod: "clinic/app-1", recovers: [sidecar.id] }));
    expect(await check(stored)).toMatchObject(tampered({ class: "UnregisteredJournal", place: { journal: rogue.id } }));
  });
});
