import { expect, test } from "@jest/globals";
import { Batch } from "./batch.ts";
import type { WalHandle } from "./file-operations.ts";
import { HEADER_BYTES } from "./header.ts";
import { LogReader } from "./log-reader.ts";
import { scanFile } from "./scan.ts";
import { journalId, record } from "./testing/wal-rig.ts";

const SALT = 77;
const FIRST = 1000;

/** A file in memory that is larger than what is read of one at a time; its batches are of all sizes. */
function largeFile(): { bytes: Buffer; next: number; end: number } {
  const bytes = Buffer.alloc(8 << 20);
  let end = HEADER_BYTES;
  let next = FIRST;
  for (let round = 1; end < 6 << 20; round++) {
    const batch = new Batch(SALT);
    for (let n = 0; n < 1 + (round % 90); n++) batch.add(next, record(next++, 100 + ((round * 7919) % 16_000)));
    const sealed = batch.sealed();
    sealed.copy(bytes, end);
    end += sealed.length;
  }
  return { bytes, next, end };
}

function handleOf(bytes: Buffer): WalHandle {
  const unused = () => Promise.reject(new Error("not for reading"));
  const read = async (target: Uint8Array, position: number) => bytes.copy(target, 0, position);
  return { read, write: unused, sync: unused, stat: unused, close: unused };
}

const file = largeFile();

test("a large file is followed to its last batch", async () => {
  const scan = await scanFile(handleOf(file.bytes), file.bytes.length, FIRST, SALT);
  expect(scan).toMatchObject({ end: file.end, next: file.next, beyond: undefined });
  expect(Buffer.from(scan.last ?? []).toString()).toMatch(`record ${file.next - 1} `);
});

test("the newest record behind a corrupt place is found wherever it is in the file", async () => {
  for (const at of [HEADER_BYTES + 9, 1 << 20, (2 << 20) + 5, (5 << 20) + 3]) {
    const bytes = Buffer.from(file.bytes);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const scan = await scanFile(handleOf(bytes), bytes.length, FIRST, SALT);
    expect(scan.beyond).toBe(file.next);
    expect(scan.end).toBeLessThanOrEqual(at);
  }
});

test("also where its commit frame lies across what is read at a time", async () => {
  const batch = new Batch(SALT);
  batch.add(FIRST + 5, record(FIRST + 5, 10));
  const sealed = batch.sealed();
  for (let shift = 0; shift <= sealed.length; shift++) {
    const bytes = Buffer.alloc(5 << 20);
    sealed.copy(bytes, HEADER_BYTES + 2 * ((1 << 20) + 16) - shift);
    expect((await scanFile(handleOf(bytes), bytes.length, FIRST, SALT)).beyond).toBe(FIRST + 6);
  }
});

test("a reader goes through it without missing a record", async () => {
  const header = { tenant: journalId, journal: journalId, pod: "shop/web-1", number: 0, first: FIRST, salt: SALT };
  const { bytes, end, next } = file;
  const reader = new LogReader(
    () => [{ path: "", handle: handleOf(bytes), header, size: bytes.length, end, next }],
    FIRST,
  );
  let expected = FIRST;
  for (;;) {
    const records = await reader.read(50);
    if (records.length === 0) break;
    for (const one of records) {
      expect(one.seq).toBe(expected++);
      expect(Buffer.from(one.record).toString()).toMatch(`record ${one.seq} `);
    }
  }
  expect(expected).toBe(next);
});
