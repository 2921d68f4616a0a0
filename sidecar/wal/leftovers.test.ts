import { cp, mkdtemp, open, readdir, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { walFileName } from "./header.ts";
import { systemError } from "./testing/faulty-files.ts";
import { journalId, record, recovered, WalRig } from "./testing/wal-rig.ts";

let rig: WalRig;
let copies: string[];
beforeEach(async () => {
  rig = await WalRig.make();
  copies = [];
});
afterEach(async () => {
  await rig.end();
  for (const copy of copies) await rm(copy, { recursive: true });
});

/** Batches of the given sizes; answers where each one ends in the journal's first file. */
async function writeBatches(sizes: readonly number[]): Promise<number[]> {
  const wal = await rig.begin();
  const ends: number[] = [];
  let seq = 0;
  for (const size of sizes) {
    await Promise.all(Array.from({ length: size }, () => wal.append(seq, record(seq++, 10))));
    ends.push(wal.files.at(-1)?.end ?? 0);
  }
  await rig.close();
  return ends;
}

/** A copy of the folder, as a crash would have left it. */
async function image(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "heauth-image-"));
  copies.push(copy);
  await cp(rig.folder, copy, { recursive: true });
  return copy;
}

function texts(count: number): string[] {
  return Array.from({ length: count }, (_, seq) => Buffer.from(record(seq, 10).record).toString().trimEnd());
}

async function flip(path: string, offset: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await file.write(byte, 0, 1, offset);
  await file.close();
}

describe("a torn tail", () => {
  test("cut at every byte of the last batch: the batches before it are all there, and nothing of it", async () => {
    const [, before = 0, end = 0] = await writeBatches([2, 3, 1]);
    const path = join(await image(), walFileName(journalId, 0));
    const whole = await readFile(path);
    for (let cut = before; cut <= end; cut++) {
      const torn = Buffer.alloc(whole.length);
      whole.copy(torn, 0, 0, cut);
      await writeFile(path, torn);
      const { leftover, texts: found } = (await recovered(join(path, ".."))) ?? {};
      expect(found).toEqual(texts(cut === end ? 6 : 5));
      expect(leftover?.corruption).toBeUndefined();
    }
  }, 20_000);

  test("the same where the file itself ends there", async () => {
    const [, before = 0, end = 0] = await writeBatches([2, 3, 1]);
    const path = join(await image(), walFileName(journalId, 0));
    for (let cut = end - 1; cut >= before; cut--) {
      await truncate(path, cut);
      const { leftover, texts: found } = (await recovered(join(path, ".."))) ?? {};
      expect(found).toEqual(texts(5));
      expect(leftover?.corruption).toBeUndefined();
    }
  }, 20_000);

  test("whole records without their commit frame do not count", async () => {
    const [first = 0] = await writeBatches([3]);
    const path = join(await image(), walFileName(journalId, 0));
    await truncate(path, first - 28);
    expect((await recovered(join(path, "..")))?.texts).toEqual([]);
  });
});

describe("corruption", () => {
  test("a flipped byte anywhere before the last batch is told from a torn tail, and what is before it is readable", async () => {
    const [first = 0, second = 0] = await writeBatches([2, 3, 1]);
    const path = join(await image(), walFileName(journalId, 0));
    for (let offset = first; offset < second; offset++) {
      await flip(path, offset);
      const { leftover, texts: found } = (await recovered(join(path, ".."))) ?? {};
      expect(found).toEqual(texts(2));
      expect(leftover?.corruption).toEqual({ beyond: 6 });
      await flip(path, offset);
    }
  }, 20_000);

  test("of a header: nothing of the file is readable", async () => {
    await writeBatches([3]);
    const folder = await image();
    await flip(join(folder, walFileName(journalId, 0)), 40);
    const { leftover, texts: found } = (await recovered(folder)) ?? {};
    expect([found, leftover?.owner, leftover?.corruption]).toEqual([[], undefined, { beyond: undefined }]);
  });

  test("of the disk itself: as far as it is readable, and the process goes on", async () => {
    await writeBatches([3]);
    const folder = await image();
    rig.files.beforeRead = (position) => {
      if (position > 0) throw systemError("EIO");
    };
    const { leftover, texts: found } = (await recovered(folder, rig.files)) ?? {};
    expect(found).toEqual([]);
    expect(leftover).toMatchObject({ owner: { pod: "shop/web-1" }, corruption: { beyond: undefined } });
  });

  test("a missing file between others is corruption up to the newest record", async () => {
    await writeBatches(Array.from({ length: 60 }, () => 300));
    const folder = await image();
    const names = (await readdir(folder)).filter((name) => name.startsWith(journalId)).sort();
    expect(names.length).toBeGreaterThan(3);
    await unlink(join(folder, names[1] ?? ""));
    const { leftover, texts: found = [] } = (await recovered(folder)) ?? {};
    expect(found).toEqual(texts(found.length));
    expect(found.length).toBeGreaterThan(0);
    expect(leftover?.corruption).toEqual({ beyond: 18_000 });
  });
});

test("old frames in a file that is used again are never taken for new ones", async () => {
  const other = "01920000-0000-7000-8000-00000000000b";
  const first = await rig.begin({ journal: other });
  let seq = 0;
  while (first.files.length < 4) await Promise.all(Array.from({ length: 300 }, () => first.append(seq, record(seq++))));
  await first.release(seq);
  await first.close(true);
  const wal = await rig.begin();
  for (let n = 0; n < 5; n++) await wal.append(n, record(n, 10));
  await rig.close();
  const { leftover, texts: found } = (await recovered(rig.folder)) ?? {};
  expect([leftover?.journal, found, leftover?.corruption]).toEqual([journalId, texts(5), undefined]);
});
