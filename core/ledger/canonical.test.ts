import { expect, test } from "@jest/globals";
import canonicalize from "canonicalize";
import * as fc from "fast-check";
import { canonicalBytes, canonicalJson, type Json, parseCanonical } from "./canonical.ts";

const text = fc.string({ unit: "grapheme" });
const value: (depth: number) => fc.Arbitrary<Json> = fc.memo<Json>((depth) =>
  depth <= 1
    ? fc.oneof(
        text,
        fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
        fc.boolean(),
      )
    : fc.oneof(fc.array(value(depth - 1), { maxLength: 4 }), fc.dictionary(text, value(depth - 1), { maxKeys: 5 })),
);

test("is what an independent implementation of RFC 8785 writes, and reads back", async () => {
  await fc.assert(
    fc.property(value(4), (json) => {
      expect(canonicalJson(json)).toBe(canonicalize(json));
      expect(parseCanonical(canonicalBytes(json))).toEqual(json);
    }),
  );
});

test.each([
  ["a float", 0.5],
  ["minus zero", -0],
  ["2^53", 2 ** 53],
  ["NaN", Number.NaN],
  ["null", null],
  ["a null within", { a: null }],
  ["a lone surrogate", "\ud800"],
  ["a lone surrogate in a key", { "\udc00": 1 }],
  ["a bigint", 1n],
])("%s has no canonical form", (_, bad) => {
  expect(() => canonicalJson(bad as never)).toThrow(expect.objectContaining({ code: "DocumentInvalid" }));
});

test.each([
  ["whitespace", '{"a": 1}'],
  ["a trailing newline", '{"a":1}\n'],
  ["keys out of order", '{"b":1,"a":1}'],
  ["a doubled key", '{"a":1,"a":1}'],
  ["an escape that need not be", '"\\u0041"'],
  ["a float", "1.5"],
  ["an exponent", "1e3"],
  ["null", "null"],
  ["an escaped lone surrogate", '"\\ud800"'],
  ["a byte order mark", "\ufeff1"],
  ["nothing", ""],
  ["not JSON", "{"],
  ["depth", "[".repeat(100_000) + "]".repeat(100_000)],
])("%s is refused", (_, bad) => {
  expect(() => parseCanonical(Buffer.from(bad))).toThrow(expect.objectContaining({ code: "DocumentInvalid" }));
});

test("bytes that are not UTF-8 are refused", () => {
  expect(() => parseCanonical(Buffer.from([0x22, 0xff, 0x22]))).toThrow(
    expect.objectContaining({ code: "DocumentInvalid" }),
  );
});

test("undefined fields are left out, integer-like keys stand in code unit order", () => {
  expect(canonicalJson({ b: undefined, "10": 1, "9": 2 })).toBe('{"10":1,"9":2}');
});
