import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { decodeStoredRecord, encodeStoredRecord, storedSize } from "./stored-record.ts";

test("a stored record is read as it was written", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, fc.option(bytes, { nil: undefined }), fc.boolean(), (record, part, bestEffort) => {
      const stored = { record, private: part, bestEffort };
      const target = Buffer.alloc(3 + storedSize(stored));
      expect(encodeStoredRecord(target, 3, stored)).toBe(target.length);
      const read = decodeStoredRecord(target.subarray(3));
      expect(Buffer.from(read.record)).toEqual(Buffer.from(record));
      expect(read.private && Buffer.from(read.private)).toEqual(part && Buffer.from(part));
      expect(read.bestEffort).toBe(bestEffort);
    }),
  );
});

test("a payload that is cut short is refused", () => {
  expect(() => decodeStoredRecord(Buffer.from([0, 0, 0, 0, 9, 1]))).toThrow(RangeError);
  expect(() => decodeStoredRecord(Buffer.alloc(0))).toThrow(RangeError);
});
