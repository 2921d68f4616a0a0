import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Durability } from "./journal.ts";
import { decision, JournalRig, smallLimits } from "./testing/journal-rig.ts";

let rig: JournalRig;
let away: PromiseWithResolvers<undefined> | undefined;

beforeEach(async () => {
  rig = await JournalRig.make();
  away = undefined;
  rig.hub.fault = () => away?.promise;
});
afterEach(async () => {
  away?.resolve(undefined);
  await rig.end();
});

const atHub = () => rig.hub.records().map(({ id }) => id);
const messages = () => rig.logs.map(({ message }) => message);

test.each<Durability>(["Local", "BestEffort", "Database"])(
  "what was asked for as %s is at the hub when it is acknowledged",
  async (durability) => {
    const journal = await rig.start();
    journal.drain();
    const written = await Promise.all(Array.from({ length: 50 }, (_, n) => journal.write(decision(n), durability)));
    expect(atHub()).toEqual(expect.arrayContaining(written.map(({ id }) => id)));
  },
);

test("one that was waiting for the disk when it began counts as well", async () => {
  const journal = await rig.start();
  const writing = journal.write(decision(1), "Local");
  journal.drain();
  const { id } = await writing;
  expect(atHub()).toContain(id);
});

test("what was written before is shipped", async () => {
  const journal = await rig.start();
  const { id } = await journal.write(decision(1), "Local");
  journal.drain();
  while (journal.state.backlog > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(atHub()).toContain(id);
});

test("without the hub the disk will do, but for those who asked for it; when it is back, so is the rule", async () => {
  const journal = await rig.start({ ...smallLimits, waitMs: 1_000 });
  away = Promise.withResolvers();
  journal.drain();
  const first = await Promise.all(Array.from({ length: 10 }, (_, n) => journal.write(decision(n), "Local")));
  expect(journal.state.backlog).toBe(10);
  await expect(journal.write(decision(10), "Database")).rejects.toMatchObject({ code: "JournalTimeout" });
  const { id } = await journal.write(decision(11), "Local");
  expect(atHub()).not.toContain(id);

  away.resolve(undefined);
  while (journal.state.backlog > 0) await new Promise((resolve) => setImmediate(resolve));
  const { id: last } = await journal.write(decision(12), "Local");
  expect(atHub()).toEqual(expect.arrayContaining([...first.map((one) => one.id), id, last]));
  expect(messages().filter((message) => message.startsWith("the hub commits"))).toEqual([
    "the hub commits nothing: records count when they are on the disk",
    "the hub commits again: records count when it has them",
  ]);
});
