import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SidecarError } from "../errors.ts";
import { decision, JournalRig } from "./testing/journal-rig.ts";

let rig: JournalRig;
beforeEach(async () => {
  rig = await JournalRig.make();
});
afterEach(() => rig.end());

describe("a hub that fails", () => {
  test("calls that do not arrive and answers that get lost: every record is there once, in order", async () => {
    let call = 0;
    rig.hub.fault = () => (["NotReached", undefined, "AnswerLost", undefined] as const)[call++ % 4];
    const journal = await rig.start();
    const written: string[] = [];
    for (let round = 0; round < 12; round++) {
      const ids = Array.from({ length: 50 }, (_, n) => journal.write(decision(round * 50 + n), "Database"));
      written.push(...(await Promise.all(ids)).map(({ id }) => id));
    }
    await rig.stop(journal);
    const records = rig.hub.records();
    expect(records.slice(1, -1).map(({ id }) => id)).toEqual(written);
    expect(rig.hub.repeated).toBeGreaterThan(3);
    expect(rig.failures).toEqual([]);
  });

  test("records wait on the disk while it is away, and their writers do not", async () => {
    const journal = await rig.start();
    const back = Promise.withResolvers<void>();
    rig.hub.fault = () => back.promise.then(() => undefined);
    for (let round = 0; round < 30; round++) {
      await Promise.all(Array.from({ length: 100 }, (_, n) => journal.write(decision(round * 100 + n), "Local")));
    }
    expect(journal.state.backlog).toBe(3000);
    back.resolve();
    await rig.stop(journal);
    expect(rig.hub.records()).toHaveLength(3002);
  });

  test("a writer that asked for Database is told in time that it is not committed; the record still arrives", async () => {
    const journal = await rig.start({ fileSize: 256 * 1024, waitMs: 50 });
    const back = Promise.withResolvers<void>();
    rig.hub.fault = () => back.promise.then(() => undefined);
    await expect(journal.write(decision(1), "Database")).rejects.toMatchObject({ code: "JournalTimeout" });
    back.resolve();
    await rig.stop(journal);
    expect(rig.hub.records().map(({ type }) => type)).toEqual(["journal.open", "decision", "journal.close"]);
  });

  test.each(["HubEquivocation", "HubRefused"] as const)("%s is an alarm: nothing is taken any more", async (code) => {
    const journal = await rig.start();
    rig.hub.fault = () => {
      throw new SidecarError(code, "no");
    };
    await expect(journal.write(decision(1), "Database")).rejects.toMatchObject({ code: "JournalFailed" });
    expect(rig.failures).toEqual([
      expect.objectContaining({ code: "JournalFailed", cause: expect.objectContaining({ code }) }),
    ]);
    await expect(journal.write(decision(2), "Local")).rejects.toMatchObject({ code: "JournalFailed" });
    expect(journal.state).toMatchObject({ isOpen: false, isFailed: true });
  });

  test("a hub that has forgotten what it had committed is an alarm", async () => {
    const journal = await rig.start();
    await journal.write(decision(1), "Database");
    const [known] = rig.hub.journals.values();
    known?.headers.pop();
    known?.records.pop();
    Object.assign(known ?? {}, { head: { ...known?.head, number: 0, seq: 0, previous: undefined } });
    await expect(journal.write(decision(2), "Database")).rejects.toMatchObject({ code: "JournalFailed" });
  });
});

test("requests are bounded, however much has piled up", async () => {
  const journal = await rig.start();
  const sizes: number[] = [];
  const append = rig.hub.append.bind(rig.hub);
  const back = Promise.withResolvers<void>();
  rig.hub.append = async (request) => {
    await back.promise;
    const parts = request.segments.flatMap(({ header, signature, records, privates }) => [
      header,
      signature,
      records,
      privates,
    ]);
    sizes.push(parts.reduce((sum, { length }) => sum + length, 0));
    return append(request);
  };
  for (let round = 0; round < 150; round++) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => journal.write(decision(round * 100 + n), "Local")));
  }
  back.resolve();
  await rig.stop(journal);
  expect(rig.hub.records()).toHaveLength(15_002);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(4 * 1024 * 1024);
  expect(sizes.length).toBeLessThan(10);
});

test("without anybody waiting, records go in segments of about a second", async () => {
  const journal = await rig.start();
  const before = rig.hub.requests;
  const start = performance.now();
  for (let n = 0; n < 10; n++) await journal.write(decision(n), "Local");
  while (journal.state.backlog > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  // On a slow disk the writes alone may take seconds.
  expect(rig.hub.requests - before).toBeLessThanOrEqual(Math.floor((performance.now() - start) / 1000));
  expect(journal.progress()).toMatchObject({ nextSeq: 11, committedSeq: 11 });
});
