import { unlink } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { LogReader } from "./log-reader.ts";
import { systemError } from "./testing/faulty-files.ts";
import { record, recovered, WalRig } from "./testing/wal-rig.ts";
import type { WriteAheadLog } from "./write-ahead-log.ts";

let rig: WalRig;
beforeEach(async () => {
  rig = await WalRig.make();
});
afterEach(() => rig.end());

function appendAll(wal: WriteAheadLog, from: number, count: number): Promise<void>[] {
  return Array.from({ length: count }, (_, n) => wal.append(from + n, record(from + n)));
}

describe("group commit", () => {
  test("concurrent records share their writes, in order", async () => {
    const wal = await rig.begin();
    const before = rig.files.writes;
    const gate = Promise.withResolvers<void>();
    rig.files.beforeWrite = () => gate.promise;
    const first = appendAll(wal, 0, 1);
    await new Promise(setImmediate); // its write is under way now
    const rest = appendAll(wal, 1, 199);
    gate.resolve();
    await Promise.all([...first, ...rest]);
    expect(rig.files.writes - before).toBe(2);
    await rig.close();
    expect((await recovered(rig.folder))?.texts).toEqual(
      Array.from({ length: 200 }, (_, n) => Buffer.from(record(n).record).toString().trimEnd()),
    );
  });

  test("a record is acknowledged only after its write has returned", async () => {
    const wal = await rig.begin();
    const gate = Promise.withResolvers<void>();
    rig.files.beforeWrite = () => gate.promise;
    let isDone = false;
    const append = wal.append(0, record(0)).then(() => {
      isDone = true;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect([isDone, wal.committed]).toEqual([false, 0]);
    gate.resolve();
    await append;
    expect(wal.committed).toBe(1);
  });
});

test("a reader follows the writer through many files, and released files are used again", async () => {
  const wal = await rig.begin();
  const reader = new LogReader(() => wal.files);
  const seen: number[] = [];
  for (let from = 0; from < 5000; from += 100) {
    await Promise.all(appendAll(wal, from, 100));
    for (const one of await reader.read(75)) seen.push(one.seq);
    await wal.release(reader.next);
  }
  while (reader.next < wal.committed) for (const one of await reader.read(1000)) seen.push(one.seq);
  await wal.release(wal.committed);
  expect(seen).toEqual(Array.from({ length: 5000 }, (_, n) => n));
  expect(wal.files).toHaveLength(1);
  expect(wal.files[0]?.header.number).toBeGreaterThan(4);
  expect((await rig.files.list(rig.folder)).length).toBeLessThanOrEqual(2);
});

describe("a failed file", () => {
  test("is written no more: what was not acknowledged is handed over once, in order, still waiting", async () => {
    const wal = await rig.begin();
    await Promise.all(appendAll(wal, 0, 10));
    const gate = Promise.withResolvers<void>();
    rig.files.beforeWrite = async () => {
      await gate.promise;
      throw systemError("EIO");
    };
    const waiting = appendAll(wal, 10, 5);
    await new Promise(setImmediate);
    waiting.push(...appendAll(wal, 15, 5));
    gate.resolve();
    await rig.failed.promise;
    const [failure] = rig.failures;
    expect(failure?.error).toMatchObject({ code: "WalFailed", cause: { code: "EIO" } });
    expect(failure?.unacknowledged.flatMap(({ records }) => records.map(({ seq }) => seq))).toEqual(
      Array.from({ length: 10 }, (_, n) => 10 + n),
    );
    const writes = rig.files.writes;
    for (const { batch } of failure?.unacknowledged ?? []) batch.settle();
    await Promise.all(waiting);
    expect([rig.files.writes, wal.committed, rig.failures.length]).toEqual([writes, 10, 1]);
  });

  test("a write that does not return is a failure", async () => {
    const wal = await rig.begin({ hangMs: 50 });
    const gate = Promise.withResolvers<void>();
    rig.files.beforeWrite = () => gate.promise;
    wal.append(0, record(0)).catch(() => {});
    await rig.failed.promise;
    gate.resolve();
    expect(rig.failures[0]?.unacknowledged[0]?.records).toHaveLength(1);
  });

  test("so is a deleted file, although it takes writes as before", async () => {
    const wal = await rig.begin();
    await wal.append(0, record(0));
    await unlink(wal.files[0]?.path ?? "");
    await rig.failed.promise;
    expect(rig.failures[0]?.error.cause).toMatchObject({ message: "it was deleted" });
    await expect(new LogReader(() => wal.files).read(10)).resolves.toHaveLength(1);
  });
});

test("a record that is not durable in time is refused, and may still become so", async () => {
  const wal = await rig.begin({ waitMs: 30 });
  const gate = Promise.withResolvers<void>();
  rig.files.beforeWrite = () => gate.promise;
  await expect(wal.append(0, record(0))).rejects.toMatchObject({ code: "JournalTimeout" });
  rig.files.beforeWrite = () => {};
  gate.resolve();
  wal.append(1, record(1)).catch(() => {}); // a slow disk may refuse this one too
  while (wal.committed < 2) await new Promise(setImmediate);
  expect(wal.committed).toBe(2);
});
