import { describe, expect, test } from "@jest/globals";
import { sha256 } from "../hash.ts";
import { JournalSequence } from "../journal/sequence.ts";
import { encodeRecord } from "../record/encode.ts";
import type { RecordInput } from "../record/types.ts";
import { JOURNAL_START, type JournalHead } from "../segment.ts";
import { RogueJournal } from "../testing/rogue-journal.ts";
import { allow, scene, tampered } from "../testing/scene.ts";
import type { Finding, Verdict } from "./verdict.ts";

describe("a compromised sidecar", () => {
  async function holding(
    inputs: (session: string) => RecordInput[],
  ): Promise<{ verdict: Verdict; rogue: RogueJournal }> {
    const { ledger, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    stored.unsealed.push(rogue.registration(ledger.keys.hub));
    stored.unsealed.push(
      rogue.segment([rogue.open(), ...inputs(session).map((input) => rogue.sequence.append(input))]),
    );
    return { verdict: await check(stored), rogue };
  }

  test.each<[string, (session: string) => RecordInput[]]>([
    [
      "open a session",
      () => [
        {
          type: "session.open",
          at: 5,
          source: "identity",
          session: "0190b2a0-0000-7000-9000-00000000000a",
          statement: Buffer.alloc(32),
        },
      ],
    ],
    ["close one", (session) => [{ type: "session.close", at: 5, source: "sidecar", session, reason: "Logout" }]],
    ["act as identity", () => [{ type: "identity.user.created", at: 5, source: "identity" }]],
    ["change a policy", () => [{ type: "policy.changed", at: 5, source: "operator" }]],
    [
      "log an erasure",
      (session) => [{ type: "subject.erased", at: 5, source: "identity", erased: { sessions: [session] } }],
    ],
    ["open its journal twice", () => [{ type: "journal.open", at: 5, source: "sidecar" }]],
    [
      "end its journal in the middle",
      (session) => [{ type: "journal.close", at: 5, source: "sidecar" }, allow(session)],
    ],
  ])("may not %s", async (_, inputs) => {
    const { verdict, rogue } = await holding(inputs);
    const place = expect.objectContaining({ journal: rogue.id, number: 0, seq: 1 });
    expect(verdict).toMatchObject({
      findings: expect.arrayContaining([expect.objectContaining({ class: "RecordMisplaced", place })]),
    });
  });

  test("is found when it writes of a session that nobody opened", async () => {
    const session = "0190b2a0-0000-7000-9000-00000000000a";
    const { verdict, rogue } = await holding(() => [allow(session)]);
    expect(verdict).toMatchObject(tampered({ class: "SessionUnknown", place: { journal: rogue.id, seq: 1, session } }));
  });

  test("is found when it skips a link, in whatever way", async () => {
    const { ledger, session, check } = scene();
    const place = { tenant: ledger.tenant, journal: "", seq: 2 };
    const prevs = [undefined, sha256(Buffer.from("?")).toString("base64url")];
    for (const prev of prevs) {
      const rogue = new RogueJournal(ledger);
      const stored = ledger.stored();
      const first = [rogue.open(), rogue.sequence.append(allow(session))];
      const skipping = encodeRecord(allow(session, 6), { ...place, journal: rogue.id, prev });
      stored.unsealed.push(rogue.registration(ledger.keys.hub), rogue.segment(first), rogue.segment([skipping]));
      expect(await check(stored)).toMatchObject(
        tampered({
          class: "LinkBroken",
          place: { journal: rogue.id, number: 1, seq: 2, session },
        }),
      );
    }
  });

  test("is found when its first record claims one before", async () => {
    const { ledger, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    const prev = sha256(Buffer.from("?")).toString("base64url");
    const record = encodeRecord(allow(session), { tenant: ledger.tenant, journal: rogue.id, seq: 1, prev });
    stored.unsealed.push(rogue.registration(ledger.keys.hub), rogue.segment([rogue.open(), record]));
    expect(await check(stored)).toMatchObject(tampered({ class: "LinkBroken", place: { journal: rogue.id, seq: 1 } }));
  });

  test("is found when a header does not follow the one before", async () => {
    const { ledger, session, check } = scene();
    const heads: [JournalHead, Partial<Finding> & Pick<Finding, "class">][] = [
      [
        { number: 1, seq: 1, previous: sha256(Buffer.from("?")) },
        { class: "LinkBroken", place: { number: 1 } },
      ],
      [
        { number: 2, seq: 1, previous: sha256(Buffer.from("?")) },
        { class: "NumberGap", place: { number: 1 } },
      ],
    ];
    for (const [head, found] of heads) {
      const rogue = new RogueJournal(ledger);
      const stored = ledger.stored();
      stored.unsealed.push(rogue.registration(ledger.keys.hub), rogue.segment([rogue.open()]));
      stored.unsealed.push(rogue.segment([rogue.sequence.append(allow(session))], { head }));
      expect(await check(stored)).toMatchObject(tampered(found));
    }
  });

  test("is found when a segment skips numbers of records", async () => {
    const { ledger, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    stored.unsealed.push(rogue.registration(ledger.keys.hub), rogue.segment([rogue.open()]));
    const prev = undefined;
    const record = encodeRecord(allow(session), { tenant: ledger.tenant, journal: rogue.id, seq: 4, prev });
    stored.unsealed.push(rogue.segment([record], { head: { ...rogue.head, seq: 4 } }));
    expect(await check(stored)).toMatchObject(
      tampered({ class: "NumberGap", place: { journal: rogue.id, number: 1, seq: 1 } }),
    );
  });

  test("is found when it says two things about one number", async () => {
    const { ledger, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    stored.unsealed.push(rogue.registration(ledger.keys.hub));
    const one = rogue.segment([rogue.open()]);
    const other = new JournalSequence({ tenant: ledger.tenant, journal: rogue.id });
    other.append(allow(session));
    const two = rogue.segment([rogue.sequence.append(allow(session))], { head: JOURNAL_START });
    stored.unsealed.push(one, two);
    expect(await check(stored)).toMatchObject(
      tampered({ class: "Equivocation", place: { journal: rogue.id, number: 0 } }),
    );
    stored.unsealed[stored.unsealed.length - 1] = one;
    expect(await check(stored)).toMatchObject(
      tampered({ class: "Duplicate", place: { journal: rogue.id, number: 0 } }),
    );
  });

  test("is found when it goes on after its end", async () => {
    const { ledger, session, check } = scene();
    const rogue = new RogueJournal(ledger);
    const stored = ledger.stored();
    const close = rogue.sequence;
    stored.unsealed.push(rogue.registration(ledger.keys.hub));
    const end = [rogue.open(), close.append({ type: "journal.close", at: 2, source: "sidecar" })];
    stored.unsealed.push(rogue.segment(end, { final: true }), rogue.segment([close.append(allow(session))]));
    expect(await check(stored)).toMatchObject(
      tampered({ class: "RecordMisplaced", place: { journal: rogue.id, number: 1 } }),
    );
  });
});
