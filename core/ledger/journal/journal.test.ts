import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { leafHash, sha256 } from "../hash.ts";
import { unpackRecords } from "../record/pack.ts";
import { parseRecord } from "../record/parse.ts";
import type { RecordInput } from "../record/types.ts";
import { parseSegmentHeader, sealSegment, verifySegmentSignature } from "../segment.ts";
import { treeHash } from "../tree.ts";
import { JournalSequence } from "./sequence.ts";

const tenant = "0190b2a0-0000-4000-8000-000000000001";
const journal = "0190b2a0-0000-7000-8000-000000000002";
const recovering = "0190b2a0-0000-7000-8000-000000000009";
const [one, two] = ["0190b2a0-0000-7000-9000-00000000000a", "0190b2a0-0000-7000-9000-00000000000b"];
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const code = (expected: string) => expect.objectContaining({ name: "LedgerError", code: expected });
const open: RecordInput = { type: "journal.open", at: 1, source: "sidecar" };
const close: RecordInput = { type: "journal.close", at: 9, source: "sidecar" };
const decision = (session?: string): RecordInput => ({
  type: "decision",
  at: 5,
  source: "sidecar",
  decision: "Allow",
  ...(session === undefined ? {} : { session }),
});

describe("a sequence", () => {
  test("numbers densely and links each session's own records", () => {
    const sequence = new JournalSequence({ tenant, journal });
    const sessions = [one, two, undefined, one, two, one];
    const records = sessions.map((session) => sequence.append(decision(session)));
    const parsed = records.map(({ bytes }) => parseRecord(bytes));
    expect(parsed.map(({ id }) => id)).toEqual(sessions.map((_, seq) => `${journal}/${seq}`));
    const leaf = (seq: number) => records[seq]?.leaf.toString("base64url");
    expect(parsed.map(({ prev }) => prev)).toEqual([undefined, undefined, undefined, leaf(0), leaf(1), leaf(3)]);
    expect(sequence.sessions).toBe(2);
  });

  test("does not move when a record is refused", () => {
    const sequence = new JournalSequence({ tenant, journal });
    sequence.append(decision(one));
    expect(() => sequence.append({ ...decision(one), at: -1 })).toThrow(code("RecordInvalid"));
    expect(sequence.seq).toBe(1);
    expect(parseRecord(sequence.append(decision(one)).bytes).id).toBe(`${journal}/1`);
  });
});

describe("sealing", () => {
  const sequence = new JournalSequence({ tenant, journal });
  const records = Array.from({ length: 4097 }, () => sequence.append(decision(one)));
  const draft = { tenant, journal, key: privateKey, head: { number: 0, seq: 0 } };

  test("makes segments that follow one another", () => {
    const own = new JournalSequence({ tenant, journal });
    const pod = "clinic/app-0";
    const firsts = [own.append(open), own.append(decision(one))];
    const first = sealSegment({ ...draft, pod, records: firsts });
    const lasts = [own.append(decision(one)), own.append(close)];
    const second = sealSegment({ ...draft, pod, head: first.next, records: lasts, final: true });
    const [a, b] = [first, second].map(({ header }) => parseSegmentHeader(header));
    expect(a).toMatchObject({ number: 0, first: 0, count: 2, opened: 1, closed: 5, pod, signer: journal });
    expect(a).not.toHaveProperty("previous");
    const previous = sha256(first.header).toString("base64url");
    expect(b).toMatchObject({ number: 1, first: 2, count: 2, previous, final: true });
    const packed = unpackRecords(second.records);
    expect(b?.root).toBe(Buffer.from(treeHash(packed.map(leafHash))).toString("base64url"));
    expect(packed.map((bytes) => parseRecord(bytes).prev)).toEqual([firsts[1]?.leaf.toString("base64url"), undefined]);
    expect(verifySegmentSignature(second.header, second.signature, publicKey)).toBe(true);
    expect(second.next).toMatchObject({ number: 2, seq: 4 });
  });

  test("takes 1 to 4,096 records", () => {
    expect(sealSegment({ ...draft, records: records.slice(0, 4096) })).toMatchObject({
      count: 4096,
      next: { number: 1, seq: 4096 },
    });
    for (const bad of [[], records]) {
      expect(() => sealSegment({ ...draft, records: bad })).toThrow(code("SegmentInvalid"));
    }
  });

  test("another journal may sign what a dead process left", () => {
    const left = records.slice(2, 4).map(({ bytes, at }) => ({ bytes, at, leaf: leafHash(bytes) }));
    const head = { number: 1, seq: 2, previous: sha256(Buffer.from("header 0")) };
    const sealed = sealSegment({ ...draft, signer: recovering, head, records: left });
    expect(parseSegmentHeader(sealed.header)).toMatchObject({ journal, signer: recovering, number: 1, first: 2 });
  });

  test("needs the previous header's hash, except for the first", () => {
    expect(() => sealSegment({ ...draft, head: { number: 1, seq: 2 }, records: records.slice(2, 3) })).toThrow(
      code("DocumentInvalid"),
    );
  });
});
