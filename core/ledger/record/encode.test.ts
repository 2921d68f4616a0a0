import { describe, expect, test } from "@jest/globals";
import canonicalize from "canonicalize";
import * as fc from "fast-check";
import { leafHash, sha256 } from "../hash.ts";
import { encodeRecord } from "./encode.ts";
import { parseRecord } from "./parse.ts";
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
  optional(
    "retention.dropped",
    {
      erased: fc.oneof(
        fc.record({ before: whole }),
        fc.record(
          {
            segments: fc.array(fc.record({ last: whole, journal: fc.constant(other), first: whole }), { maxLength: 3 }),
            except: fc.array(fc.constant(session), { maxLength: 3 }),
          },
          { requiredKeys: ["segments"] },
        ),
      ),
    },
    "erased",
  ),
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
