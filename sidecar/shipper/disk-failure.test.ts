import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { FaultyFiles, systemError } from "../wal/testing/faulty-files.ts";
import { decision, JournalRig, smallLimits } from "./testing/journal-rig.ts";

let rig: JournalRig;
let files: FaultyFiles;
beforeEach(async () => {
  rig = await JournalRig.make();
  files = new FaultyFiles();
});
afterEach(() => rig.end());

function fail(): never {
  throw systemError("EIO");
}

test("with a failed disk the hub acknowledges: what waited, and what comes", async () => {
  const journal = await rig.start(smallLimits, { files });
  for (let n = 0; n < 20; n++) await journal.write(decision(n), "Local");
  files.beforeWrite = fail;
  const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => journal.write(decision(20 + n), "Local")));
  const writes = files.writes;
  const committed = new Set(rig.hub.records().map(({ id }) => id));
  expect(ids.filter(({ id }) => !committed.has(id))).toEqual([]);
  const { id } = await journal.write(decision(70), "Local");
  expect(rig.hub.records().map((record) => record.id)).toContain(id);
  expect(journal.state).toMatchObject({ isOpen: true, isDirect: true });
  expect(files.writes).toBe(writes);
  await rig.stop(journal);
  expect(rig.hub.records().map(({ type }) => type)).toEqual([
    "journal.open",
    ...Array(71).fill("decision"),
    "journal.close",
  ]);
  expect(rig.failures).toEqual([]);
});

test("a process after it has nothing to ship twice", async () => {
  const journal = await rig.start(smallLimits, { files });
  await journal.write(decision(0), "Local");
  files.beforeWrite = fail;
  await journal.write(decision(1), "Local");
  await rig.stop(journal, 0);
  const next = await rig.start();
  await rig.stop(next);
  const [first, second] = [...rig.hub.journals.values()];
  expect(first?.records.at(-1)).toMatchObject({ type: "journal.close", reason: "Recovered" });
  expect(first?.records).toHaveLength(4);
  expect(second?.records).toHaveLength(2);
  expect(rig.hub.journals.size).toBe(2);
});

test("if the hub is away too, writers are refused and the process is told to end", async () => {
  const failed = Promise.withResolvers<Error>();
  const limits = { ...smallLimits, waitMs: 50, directMs: 120 };
  const journal = await rig.start(limits, { files, onFailed: failed.resolve });
  files.beforeWrite = fail;
  rig.hub.fault = () => "NotReached";
  await expect(journal.write(decision(1), "Local")).rejects.toMatchObject({ code: "JournalTimeout" });
  expect(await failed.promise).toMatchObject({ code: "JournalFailed", cause: { code: "HubUnavailable" } });
  await expect(journal.write(decision(2), "Local")).rejects.toMatchObject({ code: "JournalFailed" });
});

test("memory stays bounded while the hub does not answer", async () => {
  const journal = await rig.start({ ...smallLimits, maxWaiting: 16 * 1024, waitMs: 100, directMs: 60_000 }, { files });
  files.beforeWrite = fail;
  rig.hub.fault = () => "NotReached";
  const results = await Promise.allSettled(Array.from({ length: 200 }, (_, n) => journal.write(decision(n), "Local")));
  const codes = results.map((result) => result.status === "rejected" && result.reason.code);
  expect(new Set(codes)).toEqual(new Set(["JournalTimeout", "JournalOverloaded"]));
});
