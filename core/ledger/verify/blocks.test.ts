import { describe, expect, test } from "@jest/globals";
import { buildBlockHeader } from "../block.ts";
import { canonicalBytes } from "../canonical.ts";
import { sha256 } from "../hash.ts";
import { encodeRecord } from "../record/encode.ts";
import { MemorySource } from "../testing/memory-source.ts";
import { RogueJournal } from "../testing/rogue-journal.ts";
import { allow, scene, tampered } from "../testing/scene.ts";
import type { TestLedger } from "../testing/test-ledger.ts";
import { verifyLedger } from "./verify.ts";

describe("sessions and blocks", () => {
  const block = (ledger: TestLedger, session: string, change: object = {}) => {
    const { records, opened, closed } = ledger.sessions.get(session) ?? { records: [], opened: 1, closed: 2 };
    const journals = [...Map.groupBy(records, ({ journal }) => journal)].map(([journal, own]) => ({
      journal,
      first: own[0]?.number ?? 0,
      last: own.at(-1)?.number ?? 0,
      leaves: own.map(({ leaf }) => leaf),
    }));
    const draft = { tenant: ledger.tenant, number: 0, session, opened, closed, reason: "Logout", journals };
    const header = buildBlockHeader({ ...draft, ...change });
    return { kind: "block", number: 0, session, header } as const;
  };

  test("a block of a session that was not closed is found", async () => {
    const { ledger, session, check } = scene();
    const stored = ledger.stored();
    stored.unsealed.push(block(ledger, session));
    expect(await check(stored)).toMatchObject(tampered({ class: "BlockAltered", place: { block: 0, session } }));
  });

  test("a block that leaves out, adds or misplaces records is found", async () => {
    const { ledger, identity, sidecar, session, check } = scene();
    identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
    const stored = ledger.stored();
    const ranges = JSON.parse(block(ledger, session).header.toString()).journals;
    const range = (journal: string) => ranges.find((one: { journal: string }) => one.journal === journal);
    const leaf = Buffer.alloc(32);
    const own = ledger.sessions.get(session)?.records.filter(({ journal }) => journal === identity.id) ?? [];
    const other = { ...range(sidecar.id), leaves: [leaf] };
    const ofIdentity = (leaves: Uint8Array[]) => ({ ...range(identity.id), leaves });
    const leaves = own.map((one) => one.leaf);
    for (const journals of [
      [ofIdentity(leaves), other],
      [ofIdentity(leaves.slice(1))],
      [ofIdentity([...leaves, leaf])],
      [ofIdentity(leaves.toReversed())],
      [{ ...ofIdentity(leaves), last: 99 }],
    ]) {
      const wrong = { ...stored, unsealed: [...stored.unsealed, block(ledger, session, { journals })] };
      expect(await check(wrong)).toMatchObject(tampered({ class: "BlockAltered", place: { block: 0, session } }));
    }
    const right = { ...stored, unsealed: [...stored.unsealed, block(ledger, session)] };
    expect(await check(right)).toMatchObject({ status: "Intact", counts: { blocks: 1, openSessions: 0 } });
  });

  test("a block that says other times or another reason than the session's records is found", async () => {
    const { ledger, identity, session, check } = scene();
    identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
    const stored = ledger.stored();
    for (const change of [{ opened: 1 }, { closed: 2 }, { reason: "RefreshReuse" }]) {
      const wrong = { ...stored, unsealed: [...stored.unsealed, block(ledger, session, change)] };
      expect(await check(wrong)).toMatchObject(tampered({ class: "BlockAltered", place: { block: 0, session } }));
    }
  });

  test("a second block, a skipped number and a broken chain are found", async () => {
    const { ledger, identity, session, check } = scene();
    const two = ledger.openSession(identity);
    for (const each of [session, two])
      identity.write([{ type: "session.close", at: ledger.now(), session: each, reason: "Logout" }]);
    const stored = ledger.stored();
    const first = block(ledger, session);
    const next = (number: number, of: string, previous: Uint8Array) => ({
      ...block(ledger, of, { number, previous }),
      number,
    });
    const put = (...blocks: (typeof first | ReturnType<typeof next>)[]) => ({
      ...stored,
      unsealed: [...stored.unsealed, ...blocks],
    });
    const hash = sha256(first.header);
    expect(await check(put(first, next(1, two, hash)))).toMatchObject({ status: "Intact" });
    expect(await check(put(first, next(1, two, sha256(hash))))).toMatchObject(
      tampered({ class: "LinkBroken", place: { block: 1 } }),
    );
    expect(await check(put(first, next(2, two, hash)))).toMatchObject(
      tampered({ class: "BlockMissing", place: { block: 1 } }),
    );
    expect(await check(put(first, first))).toMatchObject(tampered({ class: "Duplicate", place: { block: 0 } }));
  });

  test("a block of a session without any record is found", async () => {
    const { ledger, check } = scene();
    const session = ledger.uuid();
    const stored = ledger.stored();
    const journals = [{ journal: ledger.uuid(), first: 0, last: 0, leaves: [Buffer.alloc(32)] }];
    stored.unsealed.push(block(ledger, session, { journals }));
    expect(await check(stored)).toMatchObject(tampered({ class: "BlockAltered", place: { block: 0, session } }));
  });

  test("an amendment must tell of exactly the late records", async () => {
    const late =
      (count: number, block = 0, first = 2) =>
      async () => {
        const { ledger, identity, operator, sidecar, session, check } = scene();
        identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
        ledger.seal();
        ledger.closeBlock(session);
        ledger.seal();
        sidecar.write([{ type: "decision", at: ledger.now(), session, decision: "Deny", reason: "SessionClosed" }]);
        const journals = [{ journal: sidecar.id, first, last: first, count }];
        operator.write([{ type: "session.amend", at: ledger.now(), session, block: { number: block, journals } }]);
        return { verdict: await check(ledger.stored()), place: { journal: operator.id, number: 1, seq: 1, session } };
      };
    expect((await late(1)()).verdict).toMatchObject({ status: "Intact", pending: [] });
    for (const wrong of [late(2), late(1, 5), late(1, 0, 9)]) {
      const { verdict, place } = await wrong();
      expect(verdict).toMatchObject(tampered({ class: "AmendmentWrong", place }));
    }
  });

  test("a late record must still link to the session's last one", async () => {
    const { ledger, identity, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    identity.write([{ type: "session.close", at: ledger.now(), session, reason: "Logout" }]);
    ledger.seal();
    ledger.closeBlock(session);
    ledger.seal();
    const sealed = ledger.stored();
    const record = encodeRecord(allow(session), {
      tenant: ledger.tenant,
      journal: rogue.id,
      seq: 1,
      prev: sha256(Buffer.from("?")).toString("base64url"),
    });
    sealed.unsealed.push(rogue.registration(ledger.keys.hub), rogue.segment([rogue.open(), record]));
    expect(await check(sealed)).toMatchObject(
      tampered({ class: "LinkBroken", place: { journal: rogue.id, seq: 1, session } }),
    );
    expect(stored.checkpoints.length).toBe(1);
  });

  test("a session statement that was exchanged is found", async () => {
    const { ledger, session, check } = scene();
    const stored = ledger.stored();
    const kept = stored.statements.get(session);
    if (kept === undefined) throw new RangeError("no statement");
    const fields = JSON.parse(Buffer.from(kept.body).toString());
    const body = canonicalBytes({ ...fields, key: sha256(Buffer.from("mine")).toString("base64url") });
    stored.statements.set(session, { body, signature: kept.signature });
    expect(await check(stored)).toMatchObject(tampered({ class: "StatementAltered", place: { session } }));
    stored.statements.set(session, { ...kept, signature: Buffer.alloc(64) });
    expect(await check(stored)).toMatchObject(tampered({ class: "SignatureInvalid", place: { session } }));
    stored.statements.delete(session);
    expect(await check(stored)).toMatchObject({ status: "Intact" });
  });
});

test("an erasure that the source announces but the ledger does not hold is found", async () => {
  const { ledger, identity, session } = scene();
  const before = ledger.stored();
  ledger.erase(session, identity);
  const after = new MemorySource(ledger.stored());
  const erased = ledger.stored().unsealed.find((row) => row.kind === "segment");
  const source = Object.assign(new MemorySource(before), {
    erasures: async function* () {
      if (erased !== undefined) yield erased;
    },
    segment: async () => erased,
  });
  const verdict = await verifyLedger(source, ledger.keys.pinned, ledger.anchor());
  expect(verdict).toMatchObject(tampered({ class: "ErasureUnknown", place: { journal: identity.id, seq: 2 } }));
  expect(await verifyLedger(after, ledger.keys.pinned)).toMatchObject({ status: "Intact", counts: { erased: 1 } });
});
