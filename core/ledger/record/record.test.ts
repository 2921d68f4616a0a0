import { describe, expect, test } from "@jest/globals";
import canonicalize from "canonicalize";
import * as fc from "fast-check";
import { leafHash, sha256 } from "../hash.ts";
import { encodeRecord } from "./encode.ts";
import { parseRecord, splitRecordId } from "./parse.ts";
import { commitment, parsePrivatePart } from "./private-part.ts";
import type { PrivatePart, RecordInput } from "./types.ts";

const tenant = "0190b2a0-0000-4000-8000-000000000001";
const journal = "0190b2a0-0000-7000-8000-000000000002";
const session = "0190b2a0-0000-7000-9000-000000000003";
const other = "0190b2a0-0000-7000-a000-000000000004";
const place = { tenant, journal, seq: 7, prev: undefined };
const linked = { ...place, prev: sha256(Buffer.from("before")).toString("base64url") };
const policy = `sha256:${"0f".repeat(32)}`;

/** Anything a client may send, lone surrogates and control characters too. */
const wild = fc.string({ unit: "binary", maxLength: 60 });
const name = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 30 })
  .filter((s) => !/\p{Cc}/u.test(s) && s.length <= 256);
const request = fc.stringMatching(/^[\x21-\x7e]{1,128}$/);
const whole = fc.maxSafeInteger().map(Math.abs);
const flag = fc.constant(true as const);
const priv: fc.Arbitrary<PrivatePart> = fc.record(
  {
    method: wild,
    path: wild,
    query: wild,
    host: wild,
    peer: wild,
    userAgent: wild,
    details: fc.dictionary(fc.oneof(wild, fc.nat().map(String), fc.constant("__proto__")), wild, { maxKeys: 6 }),
    user: wild,
    login: wild,
    email: wild,
  },
  { requiredKeys: [] },
);
const common = { at: whole, source: fc.constantFrom("sidecar", "app", "identity"), private: priv } as const;
const optional = <T extends Record<string, fc.Arbitrary<unknown>>>(type: string, fields: T, ...must: (keyof T)[]) =>
  fc.record(
    { type: fc.constant(type), ...common, pod: fc.constantFrom("clinic/app-0", "a/b.c"), ...fields },
    { requiredKeys: ["type", "at", "source", ...must] as never },
  ) as unknown as fc.Arbitrary<RecordInput>;
const range = fc.record({ journal: fc.constantFrom(journal, other), first: whole, last: whole, count: whole });
const input: fc.Arbitrary<RecordInput> = fc.oneof(
  optional(
    "session.open",
    { session: fc.constant(session), statement: fc.uint8Array({ minLength: 32, maxLength: 32 }) },
    "session",
    "statement",
  ),
  optional("session.close", { session: fc.constant(session), reason: name }, "session", "reason"),
  optional(
    "session.amend",
    { session: fc.constant(session), block: fc.record({ number: whole, journals: fc.array(range, { maxLength: 4 }) }) },
    "session",
    "block",
  ),
  optional(
    "decision",
    {
      session: fc.constant(session),
      request,
      rule: name,
      action: name,
      decision: fc.constantFrom("Allow", "Deny"),
      reason: name,
      policy: fc.constant(policy),
      stale: flag,
      shadow: flag,
    },
    "decision",
  ),
  optional("action", { session: fc.constant(session), request, rule: name, action: name }, "session", "action"),
  optional("identity.user.created", { session: fc.constant(session), request }),
  optional("policy.changed", { policy: fc.constant(policy) }),
  optional(
    "gap",
    {
      gap: fc.record({ journal: fc.constant(other), from: whole, lost: whole }, { requiredKeys: ["journal", "from"] }),
      reason: name,
    },
    "gap",
  ),
  optional(
    "subject.erased",
    {
      erased: fc.oneof(
        fc.record({ sessions: fc.constant([session]), before: whole }),
        fc.record({ records: fc.constant([`${other}/0`]) }),
      ),
    },
    "erased",
  ),
  optional("retention.dropped", { erased: fc.record({ before: whole }) }, "erased"),
  optional("journal.open", {}),
  optional("journal.close", { reason: name }),
);

describe("the builder", () => {
  test("writes what an independent implementation of RFC 8785 writes, and what the parser reads", async () => {
    await fc.assert(
      fc.property(input, fc.boolean(), (record, link) => {
        const encoded = encodeRecord(record, link && "session" in record ? linked : place);
        const json = encoded.bytes.toString();
        expect(canonicalize(JSON.parse(json))).toBe(json);
        expect(parseRecord(encoded.bytes)).toEqual(JSON.parse(json));
        expect(encoded.leaf).toEqual(leafHash(encoded.bytes));
        if (encoded.private === undefined) return;
        const stored = encoded.private.subarray(16).toString();
        expect(canonicalize(JSON.parse(stored))).toBe(stored);
        expect(parsePrivatePart(encoded.private)).toEqual(JSON.parse(stored));
        expect(parseRecord(encoded.bytes).private).toBe(commitment(encoded.private).toString("base64url"));
      }),
      { numRuns: 500 },
    );
  });

  test("writes this decision to the byte", () => {
    const { bytes } = encodeRecord(
      {
        type: "decision",
        at: 1,
        source: "sidecar",
        session,
        rule: "r",
        action: "a",
        decision: "Allow",
        policy,
        pod: "n/p",
      },
      linked,
    );
    expect(bytes.toString()).toBe(
      `{"action":"a","at":1,"decision":"Allow","id":"${journal}/7","pod":"n/p","policy":"${policy}",` +
        `"prev":"${linked.prev}","rule":"r","session":"${session}","source":"sidecar","tenant":"${tenant}","type":"decision","v":1}`,
    );
  });

  test("salts: the same private part never has the same commitment", () => {
    const record: RecordInput = {
      type: "decision",
      at: 1,
      source: "sidecar",
      decision: "Deny",
      private: { path: "/" },
    };
    const commitments = Array.from({ length: 3000 }, () => encodeRecord(record, place).private?.toString("hex", 0, 16));
    expect(new Set(commitments).size).toBe(3000);
  });

  test("cuts the long fields of a private part, keeps the short ones, and says which", () => {
    const long = "\u0000€😀".repeat(20_000);
    const details = { ...Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${n}`, long])), last: "x" };
    const part = {
      method: "GET",
      path: long,
      query: long,
      userAgent: long,
      host: long,
      peer: long,
      login: long,
      email: long,
      user: long,
      details,
    };
    const { private: salted } = encodeRecord(
      { type: "decision", at: 1, source: "sidecar", decision: "Deny", private: part },
      place,
    );
    if (salted === undefined) throw new TypeError("no private part");
    expect(salted.length - 16).toBeLessThanOrEqual(16 * 1024);
    const stored = parsePrivatePart(salted);
    expect(stored.cut?.toSorted()).toEqual([
      "details",
      "email",
      "host",
      "login",
      "path",
      "peer",
      "query",
      "user",
      "userAgent",
    ]);
    expect(stored.method).toBe("GET");
    expect(stored.path?.length).toBeGreaterThan(500);
    expect(long.startsWith(stored.path ?? "-")).toBe(true);
    expect(Object.keys(stored.details ?? {}).length).toBeGreaterThan(3);
  });

  test("cuts nothing that fits as a whole", () => {
    const path = `/${"a".repeat(12_000)}`;
    const { private: salted } = encodeRecord(
      { type: "decision", at: 1, source: "sidecar", decision: "Deny", private: { path } },
      place,
    );
    expect(salted && parsePrivatePart(salted)).toEqual({ path });
  });

  test.each<[string, object, string]>([
    ["a request id with a space", { type: "decision", decision: "Deny", request: "a b" }, "RecordInvalid"],
    [
      "a request id that is too long",
      { type: "decision", decision: "Deny", request: "a".repeat(129) },
      "RecordInvalid",
    ],
    ["a rule with a newline", { type: "decision", decision: "Deny", rule: "a\nb" }, "RecordInvalid"],
    ["a rule with a lone surrogate", { type: "decision", decision: "Deny", rule: "\ud800" }, "RecordInvalid"],
    ["a session that is no UUIDv7", { type: "decision", decision: "Deny", session: tenant }, "RecordInvalid"],
    ["a session in capitals", { type: "decision", decision: "Deny", session: session.toUpperCase() }, "RecordInvalid"],
    ["a time that is not whole", { type: "decision", decision: "Deny", at: 1.5 }, "RecordInvalid"],
    ["a time beyond 2^53", { type: "decision", decision: "Deny", at: 2 ** 53 }, "RecordInvalid"],
    ["a type that is not known", { type: "session.paused" }, "RecordInvalid"],
    ["a type with a bad name", { type: "identity.User" }, "RecordInvalid"],
    [
      "a statement's hash that is too short",
      { type: "session.open", session, statement: Buffer.alloc(31) },
      "RecordInvalid",
    ],
    ["no decision", { type: "decision" }, "RecordInvalid"],
    ["a field of another type", { type: "journal.open", rule: "r" }, "RecordInvalid"],
    ["an erasure of nothing", { type: "subject.erased", erased: {} }, "RecordInvalid"],
    [
      "more than 16 KiB",
      {
        type: "session.amend",
        session,
        block: { number: 1, journals: Array.from({ length: 300 }, () => ({ journal, first: 1, last: 2, count: 3 })) },
      },
      "RecordTooLarge",
    ],
  ])("refuses %s", (_, fields, code) => {
    expect(() => encodeRecord({ at: 1, source: "sidecar", ...fields } as RecordInput, place)).toThrow(
      expect.objectContaining({ name: "LedgerError", code }),
    );
  });
});

describe("the parser", () => {
  const good = encodeRecord(
    { type: "decision", at: 1, source: "sidecar", session, decision: "Deny" },
    linked,
  ).bytes.toString();

  test.each<[string, string | Buffer]>([
    ["nothing", ""],
    ["an array", "[]"],
    ["null", "null"],
    ["a number", "1"],
    ["whitespace", good.replace(":1,", ": 1,")],
    ["a trailing newline", `${good}\n`],
    ["a field twice", good.replace('"at":1,', '"at":1,"at":1,')],
    ["fields out of order", `{"v":1,${good.slice(1, -7)}}`],
    ["an unknown field", good.replace('"at"', '"aa":1,"at"')],
    ["a __proto__ field", good.replace('{"at"', '{"__proto__":{},"at"')],
    ["another version", good.replace('"v":1', '"v":2')],
    ["an escape that need not be", good.replace("Deny", "\\u0044eny")],
    ["a float", good.replace('"at":1', '"at":1.5')],
    ["an exponent", good.replace('"at":1', '"at":1e1')],
    ["a negative time", good.replace('"at":1', '"at":-1')],
    ["a null", good.replace('"at":1', '"at":null')],
    ["a missing field", good.replace('"at":1,', "")],
    ["a prev in another spelling", good.replace(linked.prev, `${linked.prev.slice(0, -1)}B`)],
    ["prev without session", good.replace(`"session":"${session}",`, "")],
    ["a seq with a leading zero", good.replace("/7", "/07")],
    ["false where only true is", good.replace('"source"', '"shadow":false,"source"')],
    ["a field of another type", good.replace('"source"', '"source":"sidecar","statement":"x","source"')],
    ["a byte that is not UTF-8", Buffer.from(good.replace("Deny", "\u00ffeny"), "latin1")],
    ["NUL bytes", `${good}\0`],
    ["more than 16 KiB", good.replace('"v"', `"u":"${"x".repeat(17_000)}","v"`)],
    ["depth", good.replace('"id"', `"gap":${"[".repeat(5000)}${"]".repeat(5000)},"id"`)],
  ])("refuses %s", (_, bad) => {
    expect(parseRecord(Buffer.from(good)).decision).toBe("Deny");
    expect(() => parseRecord(Buffer.from(bad))).toThrow(expect.objectContaining({ name: "LedgerError" }));
  });

  test("throws nothing but its own errors at any change", async () => {
    await fc.assert(
      fc.property(fc.nat(good.length - 1), fc.uint8Array({ maxLength: 3 }), (at, put) => {
        const bytes = Buffer.concat([Buffer.from(good.slice(0, at)), put, Buffer.from(good.slice(at + 1))]);
        try {
          parseRecord(bytes);
        } catch (error) {
          expect(error).toMatchObject({ name: "LedgerError" });
        }
      }),
      { numRuns: 500 },
    );
  });

  test("splits an id", () => {
    expect(splitRecordId(`${journal}/41`)).toEqual({ journal, seq: 41 });
  });
});

describe("a private part", () => {
  const salted = (json: string): Buffer => Buffer.concat([Buffer.alloc(16), Buffer.from(json)]);
  test.each([
    ["shorter than its salt", Buffer.alloc(15)],
    ["an unknown field", salted('{"age":"7"}')],
    ["a number", salted('{"path":7}')],
    ["details that are not strings", salted('{"details":{"a":1}}')],
    ["not in canonical form", salted('{"path": "/"}')],
    ["too long", salted(`{"path":"${"a".repeat(17_000)}"}`)],
  ])("is refused when it is %s", (_, bad) => {
    expect(() => parsePrivatePart(bad)).toThrow(expect.objectContaining({ name: "LedgerError" }));
  });
});
