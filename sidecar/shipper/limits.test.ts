import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { FaultyFiles, systemError } from "../wal/testing/faulty-files.ts";
import type { Journal } from "./journal.ts";
import { decision, JournalRig, smallLimits } from "./testing/journal-rig.ts";

let rig: JournalRig;
beforeEach(async () => {
  rig = await JournalRig.make();
});
afterEach(() => rig.end());

/** Writes in small rounds until a record is refused; answers the refusal's code. */
async function fill(journal: Journal, durability: "Local" | "BestEffort" = "Local"): Promise<unknown> {
  for (let n = 0; ; n += 20) {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, k) => journal.write(decision(n + k), durability)),
    );
    const refused = results.find((result) => result.status === "rejected");
    if (refused !== undefined) return refused.reason.code;
    if (n > 100_000) throw new Error("nothing is ever refused");
  }
}

test("the quota: warned of, pushed back, denied, and all well again when the hub is back", async () => {
  const journal = await rig.start({ ...smallLimits, quota: 1024 * 1024 });
  const back = Promise.withResolvers<undefined>();
  rig.hub.fault = () => back.promise;
  expect(await fill(journal)).toBe("WalFull");
  const { used, quota, level } = journal.state;
  expect(level).toBe("Deny");
  expect(used).toBeGreaterThanOrEqual(0.95 * quota);
  expect(used).toBeLessThan(quota);
  expect(rig.logs.map(({ fields }) => fields["level"]).filter(Boolean)).toEqual(["Warn", "PushBack", "Deny"]);
  expect((await readdir(rig.folder)).length).toBeLessThanOrEqual(4);
  back.resolve(undefined);
  while (journal.state.level !== "Normal") await new Promise((resolve) => setTimeout(resolve, 5));
  await journal.write(decision(1), "Database");
  expect(await rig.stop(journal)).toEqual({ records: 0, leftovers: 0 });
  const records = rig.hub.records();
  expect(records.map(({ id }) => id)).toEqual(records.map(({ id }, seq) => `${id.split("/")[0]}/${seq}`));
});

test("above the quota's end the journal is still closed in order, and the next process ships it all", async () => {
  const limits = { ...smallLimits, quota: 1024 * 1024 };
  const journal = await rig.start(limits);
  rig.hub.fault = () => "NotReached";
  expect(await fill(journal)).toBe("WalFull");
  const { records } = await rig.stop(journal, 100);
  expect(records).toBeGreaterThan(1000);
  rig.hub.fault = () => undefined;
  const next = await rig.start(limits);
  expect(await rig.stop(next)).toEqual({ records: 0, leftovers: 0 });
  const [first] = rig.hub.journals.values();
  expect(first?.records.at(-1)).toMatchObject({ type: "journal.close", reason: "Stopped" });
});

test("a disk without room: refused in time, never failed, and taken again when there is room", async () => {
  const files = new FaultyFiles();
  const journal = await rig.start(smallLimits, { files });
  files.beforeAllocation = () => {
    throw systemError("ENOSPC");
  };
  expect(await fill(journal)).toBe("WalFull");
  expect(journal.state).toMatchObject({ isDirect: false, isFailed: false, level: "Normal" });
  files.beforeAllocation = () => {};
  for (;;) {
    const taken = await journal.write(decision(1), "Local").catch((error) => error.code);
    if (taken !== "WalFull") break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all(Array.from({ length: 100 }, (_, n) => journal.write(decision(n), "Local")));
  await rig.stop(journal);
  expect(rig.failures).toEqual([]);
});

test("nobody is refused while one file is full and the next one is being taken into use", async () => {
  const files = new FaultyFiles();
  const journal = await rig.start(smallLimits, { files });
  files.beforeRename = () => sleep(20);
  const refused = new Set<string>();
  // One in twenty waits for its record, so that a slow disk makes no long queue.
  const writer = async (_: unknown, first: number) => {
    for (let n = 0; n < 500; n++) {
      const durability = n % 20 === 0 ? "Local" : "BestEffort";
      await journal.write(decision(first * 500 + n), durability).catch((error) => refused.add(error.code));
      await sleep(1);
    }
  };
  await Promise.all(Array.from({ length: 4 }, writer));
  expect([...refused]).toEqual([]);
  await rig.stop(journal);
});

test("best effort writers do not wait, and are refused when too much waits", async () => {
  const files = new FaultyFiles();
  const journal = await rig.start(smallLimits, { files });
  const gate = Promise.withResolvers<void>();
  files.beforeWrite = () => gate.promise;
  expect(await fill(journal, "BestEffort")).toBe("JournalOverloaded");
  gate.resolve();
  await rig.stop(journal);
  expect(rig.hub.records().length).toBeGreaterThan(100);
});

test("a journal that has met enough sessions is followed by the next, without a record refused or out of order", async () => {
  const journal = await rig.start({ ...smallLimits, maxSessions: 50 });
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 20 }, (_, n) => journal.write(decision(round * 20 + n, 1000), "Database")));
  }
  await rig.stop(journal);
  expect(rig.hub.journals.size).toBeGreaterThan(2);
  expect(rig.hub.records().filter(({ type }) => type === "decision")).toHaveLength(800);
  await rig.stop(await rig.start()); // the stop may have caught a successor that was not open yet
  const closed = [...rig.hub.journals.values()].map(({ records }) => records.at(-1)?.reason);
  expect(closed.filter((reason) => reason === "Continued").length).toBeGreaterThan(1);
  expect(closed.filter((reason) => reason === undefined)).toEqual([]);
  expect((await readdir(rig.folder)).filter((name) => !name.startsWith("spare-"))).toEqual([]);
});

test("a file size or a quota that cannot work is refused at once", async () => {
  await expect(rig.prepare({ fileSize: 1024 })).rejects.toMatchObject({ code: "WalMisconfigured" });
  await expect(rig.prepare({ fileSize: 1 << 20, quota: 1 << 20 })).rejects.toMatchObject({ code: "WalMisconfigured" });
});
