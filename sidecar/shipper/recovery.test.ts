import { cp, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Journal } from "./journal.ts";
import { decision, JournalRig, owner, smallLimits } from "./testing/journal-rig.ts";

let rig: JournalRig;
let folders: string[];
beforeEach(async () => {
  rig = await JournalRig.make();
  folders = [];
});
afterEach(async () => {
  await rig.end();
  for (const folder of folders) await rm(folder, { recursive: true });
});

/** A copy of the folder as it is now: what a kill at this moment would leave. */
async function crash(from = rig.folder): Promise<string> {
  const folder = `${rig.folder}-${folders.length}`;
  folders.push(folder);
  // A file may get its final name between listing and copying; a kill has one moment only.
  for (;;) {
    try {
      await cp(from, folder, { recursive: true });
      return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await rm(folder, { recursive: true });
    }
  }
}

async function write(journal: Journal, count: number, durability: "Local" | "BestEffort" = "Local"): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, n) => journal.write(decision(n), durability)));
}

/** A process on the folder of an ended one: runs until all that was left is settled, and stops. */
async function recover(folder: string): Promise<void> {
  const journal = await rig.start(smallLimits, { folder });
  expect(await rig.stop(journal)).toEqual({ records: 0, leftovers: 0 });
}

/** The hub takes what is open, and nothing after it. */
function shutAfterOpening(): () => void {
  const gate = Promise.withResolvers<undefined>();
  rig.hub.fault = () => gate.promise;
  return () => {
    gate.resolve(undefined);
    rig.hub.fault = () => undefined;
  };
}

async function walFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith("spare-"));
}

test("what a killed process left is shipped by the next one, closed as recovered, and its files go", async () => {
  const journal = await rig.start();
  const reopen = shutAfterOpening();
  await write(journal, 100);
  const folder = await crash();
  rig.hub.fault = () => undefined;
  await recover(folder);
  const [first, second] = [...rig.hub.journals.values()];
  expect(first?.records.map(({ type }) => type)).toEqual([
    "journal.open",
    ...Array(100).fill("decision"),
    "journal.close",
  ]);
  expect(first?.records.at(-1)).toMatchObject({ reason: "Recovered", pod: owner.pod });
  expect(first?.privates.size).toBe(100);
  expect([first?.final, second?.final]).toEqual([true, true]);
  expect(second?.registration.recovers).toEqual([first?.registration.journal]);
  expect(second?.records.map(({ type }) => type)).toEqual(["journal.open", "journal.close"]);
  expect(await walFiles(folder)).toEqual([]);
  reopen();
});

test("with the acknowledgement lost, nothing is shipped twice", async () => {
  const journal = await rig.start();
  await write(journal, 50);
  const folder = await crash();
  await journal.write(decision(51), "Database"); // the hub has more than the image's disk says was acknowledged
  rig.hub.fault = () => "NotReached";
  await recoverLater(folder);
  const [first] = [...rig.hub.journals.values()];
  expect(first?.records.map(({ id }) => id)).toEqual(
    first?.records.map((_, seq) => `${first.registration.journal}/${seq}`),
  );
  expect(first?.records.filter(({ type }) => type === "decision")).toHaveLength(51);
  expect(first?.final).toBe(true);
});

/** Recovers with a hub that comes back only after the first attempts. */
async function recoverLater(folder: string): Promise<void> {
  let calls = 0;
  rig.hub.fault = () => (["NotReached", "AnswerLost"] as const)[calls++];
  await recover(folder);
}

test("a recovery that is killed itself is recovered by the next, and so on", async () => {
  const journal = await rig.start();
  shutAfterOpening();
  await write(journal, 30);
  let folder = await crash();
  for (let death = 0; death < 3; death++) {
    rig.hub.fault = () => undefined;
    const next = await rig.start(smallLimits, { folder });
    await write(next, 10);
    folder = await crash(folder);
  }
  rig.hub.fault = () => undefined;
  await recover(folder);
  const journals = [...rig.hub.journals.values()];
  expect(journals.map(({ final }) => final)).toEqual(Array(5).fill(true));
  expect(rig.hub.records().filter(({ type }) => type === "decision")).toHaveLength(60);
  expect(rig.hub.records().filter(({ type }) => type === "gap")).toEqual([]);
});

test("a clean stop that could not ship leaves its own close, which is kept", async () => {
  const journal = await rig.start();
  rig.hub.fault = () => "NotReached";
  await write(journal, 20);
  expect(await rig.stop(journal, 100)).toEqual({ records: 21, leftovers: 0 });
  rig.hub.fault = () => undefined;
  await recover(rig.folder);
  const [first] = [...rig.hub.journals.values()];
  expect(first?.records.at(-1)).toMatchObject({ type: "journal.close", reason: "Stopped" });
  expect([first?.records.length, first?.final]).toEqual([22, true]);
});

test("a journal that was never registered leaves nothing to ship", async () => {
  rig.hub.fault = () => "NotReached";
  const journal = await rig.prepare();
  const opening = journal.open(owner);
  opening.catch(() => {});
  while ((await walFiles(rig.folder)).length === 0) await new Promise(setImmediate);
  await rig.stop(journal);
  await expect(opening).rejects.toMatchObject({ code: "JournalStopped" });
  rig.hub.fault = () => undefined;
  await recover(rig.folder);
  expect(rig.hub.journals.size).toBe(1);
  expect(await walFiles(rig.folder)).toEqual([]);
});

test("a corrupt log: what is before the place is shipped, a gap is recorded, the file is put aside", async () => {
  const journal = await rig.start();
  shutAfterOpening();
  for (let n = 0; n < 20; n++) await journal.write(decision(n), "Local");
  const folder = await crash();
  const [name = ""] = await walFiles(folder);
  const file = await open(join(folder, name), "r+");
  const bytes = await file.readFile();
  await file.write("X", bytes.indexOf("request-10"));
  await file.close();
  rig.hub.fault = () => undefined;
  await recover(folder);
  const [first, second] = [...rig.hub.journals.values()];
  const gap = { journal: first?.registration.journal, from: 11, lost: 10 };
  expect(second?.records.find(({ type }) => type === "gap")).toMatchObject({ gap, reason: "WalCorrupt" });
  expect([first?.records.length, first?.final]).toEqual([12, true]);
  expect(await walFiles(folder)).toEqual([`${name}.quarantined`]);
  expect(rig.logs).toContainEqual(expect.objectContaining({ level: "error", message: "an ended journal is corrupt" }));
  await recover(folder);
  expect(rig.hub.records().filter(({ type }) => type === "gap")).toHaveLength(1);
});

test("after best effort records, what may be missing is said", async () => {
  const journal = await rig.start();
  shutAfterOpening();
  await write(journal, 5, "BestEffort");
  await journal.write(decision(6), "Local");
  const folder = await crash();
  rig.hub.fault = () => undefined;
  await recover(folder);
  const [first, second] = [...rig.hub.journals.values()];
  const gap = { journal: first?.registration.journal, from: 7 };
  expect(second?.records.find(({ type }) => type === "gap")).toMatchObject({ gap, reason: "BestEffort" });
});

test("another pod's journal is left alone", async () => {
  const journal = await rig.start();
  shutAfterOpening();
  await write(journal, 5);
  const folder = await crash();
  rig.hub.fault = () => undefined;
  const other = await rig.prepare(smallLimits, { folder });
  await other.open({ ...owner, pod: "shop/web-2" });
  expect(await rig.stop(other)).toEqual({ records: 0, leftovers: 1 });
  expect(await walFiles(folder)).toHaveLength(1);
  await recover(folder);
});
