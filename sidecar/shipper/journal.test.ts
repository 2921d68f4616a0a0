import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { decision, JournalRig, smallLimits } from "./testing/journal-rig.ts";

let rig: JournalRig;
beforeEach(async () => {
  rig = await JournalRig.make();
});
afterEach(() => rig.end());

describe("a journal", () => {
  test("opens with journal.open, ships in order, closes with journal.close and leaves no file but the spare", async () => {
    const journal = await rig.start();
    expect(rig.hub.records().map(({ type }) => type)).toEqual(["journal.open"]);
    const written = await Promise.all(Array.from({ length: 150 }, (_, n) => journal.write(decision(n), "Local")));
    expect(await rig.stop(journal)).toEqual({ records: 0, leftovers: 0 });
    const records = rig.hub.records();
    expect(records.slice(1, -1).map(({ id }) => id)).toEqual(written.map(({ id }) => id));
    expect(records.at(-1)).toMatchObject({ type: "journal.close", reason: "Stopped" });
    expect([...rig.hub.journals.values()].map(({ final }) => final)).toEqual([true]);
    expect((await readdir(rig.folder)).filter((name) => !name.startsWith("spare-"))).toEqual([]);
  });

  test("refuses records before it is open and after it was stopped", async () => {
    const journal = await rig.prepare();
    await expect(journal.write(decision(0), "Local")).rejects.toMatchObject({ code: "JournalNotOpen" });
    await rig.stop(journal);
    await expect(journal.write(decision(0), "Local")).rejects.toMatchObject({ code: "JournalStopped" });
  });

  test("acknowledges a record of durability Database only when the hub has committed it", async () => {
    const journal = await rig.start();
    const answered = Promise.withResolvers<void>();
    rig.hub.fault = () => answered.promise.then(() => undefined);
    let isDone = false;
    const write = journal.write(decision(1), "Database").then(({ id }) => {
      isDone = true;
      return id;
    });
    await journal.write(decision(2), "Local");
    expect(isDone).toBe(false);
    answered.resolve();
    const id = await write;
    expect(rig.hub.records().map((record) => record.id)).toContain(id);
  });

  test("many files: all of it arrives, and files are let go of", async () => {
    const journal = await rig.start({ ...smallLimits, quota: 2 * 1024 * 1024 });
    for (let round = 0; round < 60; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, n) => journal.write(decision(round * 100 + n), "Database")));
    }
    await rig.stop(journal);
    expect(rig.hub.records()).toHaveLength(6002);
    expect(rig.failures).toEqual([]);
  });
});
