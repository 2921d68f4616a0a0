import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { packPrivateParts, packRecords, unpackPrivateParts, unpackRecords } from "./pack.ts";

const bytes = fc.uint8Array({ maxLength: 80 });

test("records come back as they went in", async () => {
  await fc.assert(
    fc.property(fc.array(bytes), (records) => {
      expect(unpackRecords(packRecords(records)).map((one) => [...one])).toEqual(records.map((one) => [...one]));
    }),
  );
});

test("private parts come back with their indexes", async () => {
  await fc.assert(
    fc.property(fc.uniqueArray(fc.nat(4095)), fc.uint8Array({ minLength: 16, maxLength: 80 }), (indexes, salted) => {
      const parts = indexes.toSorted((a, b) => a - b).map((index) => ({ index, salted: Buffer.from(salted) }));
      expect(unpackPrivateParts(packPrivateParts(parts))).toEqual(parts);
    }),
  );
});

test("a packed record is its length, then its bytes", () => {
  expect(packRecords([Buffer.from("ab"), Buffer.from("c")]).toString("hex")).toBe("0000000261620000000163");
  expect(packPrivateParts([{ index: 3, salted: Buffer.alloc(16, 1) }]).toString("hex")).toBe(
    `0000000300000010${"01".repeat(16)}`,
  );
});

test.each(["00", "000000", "00000001", "0000000261", "ffffffff61", "00004001"])(
  "records packed as %s are refused",
  (hex) => {
    expect(() => unpackRecords(Buffer.from(hex, "hex"))).toThrow(expect.objectContaining({ code: "PackedInvalid" }));
  },
);

const part = (index: string): string => `${index}00000010${"01".repeat(16)}`;
test.each([
  ["a torn head", "00000000000000"],
  ["a part shorter than a salt", `000000000000000f${"01".repeat(15)}`],
  ["a part longer than what is there", `0000000000000011${"01".repeat(16)}`],
  ["a length beyond any part", "00000000ffffffff"],
  ["indexes that descend", part("00000002") + part("00000001")],
  ["an index twice", part("00000002") + part("00000002")],
])("private parts with %s are refused", (_, hex) => {
  expect(() => unpackPrivateParts(Buffer.from(hex, "hex"))).toThrow(expect.objectContaining({ code: "PackedInvalid" }));
});

test("any bytes are read or refused, never more", async () => {
  await fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (packed) => {
      for (const unpack of [unpackRecords, unpackPrivateParts]) {
        try {
          unpack(packed);
        } catch (error) {
          expect(error).toMatchObject({ code: "PackedInvalid" });
        }
      }
    }),
  );
});
