import { expect, test } from "@jest/globals";
import { decodeHeader, encodeHeader, parseWalFileName, walFileName } from "./header.ts";
import { journalId } from "./testing/wal-rig.ts";

const header = { tenant: journalId, journal: journalId, pod: "shop/web-1", number: 3, first: 4711, salt: 0xffffffff };

test("a header is read as it was written", () => {
  expect(decodeHeader(encodeHeader(header))).toEqual(header);
});

test("a changed byte of what it says makes it none", () => {
  const bytes = encodeHeader(header);
  const length = 20 + bytes.readUInt32BE(16);
  for (let at = 0; at < length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0x20;
    expect(decodeHeader(changed)).toBeUndefined();
  }
});

test("file names tell journal and number; other names tell nothing", () => {
  expect(parseWalFileName(walFileName(journalId, 12))).toEqual({ journal: journalId, number: 12 });
  for (const name of [
    "x.wal",
    `${journalId}.wal`,
    `${walFileName(journalId, 1)}.quarantined`,
    `../${walFileName(journalId, 1)}`,
  ]) {
    expect(parseWalFileName(name)).toBeUndefined();
  }
});
