import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { sha256 } from "../hash.ts";
import { encodeRecord } from "./encode.ts";
import { parseRecord, splitRecordId } from "./parse.ts";
import { parsePrivatePart } from "./private-part.ts";

const tenant = "0190b2a0-0000-4000-8000-000000000001";
const journal = "0190b2a0-0000-7000-8000-000000000002";
const session = "0190b2a0-0000-7000-9000-000000000003";
const linked = { tenant, journal, seq: 7, prev: sha256(Buffer.from("before")).toString("base64url") };

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
