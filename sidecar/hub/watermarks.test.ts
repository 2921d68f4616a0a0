import { beforeEach, expect, test } from "@jest/globals";
import { createWatermarks, type JournalProgress, type Watermarks } from "./watermarks.ts";

let journal: JournalProgress | undefined;
let watermarks: Watermarks;
beforeEach(() => {
  journal = { tenant: "t", journal: "j", nextSeq: 10, committedSeq: 10 };
  watermarks = createWatermarks(() => journal);
});

async function seen(outboxSeq: bigint): Promise<void> {
  watermarks.seen("t", outboxSeq);
  await new Promise(setImmediate);
}
function moved(to: Partial<JournalProgress>): void {
  if (journal !== undefined) journal = { ...journal, ...to };
}
const reached = () => watermarks.current().map(({ outboxSeq }) => outboxSeq);

test("an event is reached when every record from before it was seen has been committed", async () => {
  moved({ nextSeq: 12 });
  await seen(5n);
  expect(reached()).toEqual([]);
  moved({ nextSeq: 20, committedSeq: 11 });
  expect(reached()).toEqual([]);
  moved({ committedSeq: 12 });
  expect(watermarks.current()).toEqual([{ tenant: "t", journal: "j", outboxSeq: 5n }]);
});

test("decisions of the same turn count as made before the event", async () => {
  watermarks.seen("t", 5n);
  moved({ nextSeq: 11 });
  await new Promise(setImmediate);
  expect(reached()).toEqual([]);
  moved({ committedSeq: 11 });
  expect(reached()).toEqual([5n]);
});

test("of several events the newest that is reached counts", async () => {
  await seen(5n);
  await seen(6n);
  moved({ nextSeq: 11 });
  await seen(7n);
  expect(reached()).toEqual([6n]);
  expect(reached()).toEqual([6n]);
  moved({ committedSeq: 11 });
  expect(reached()).toEqual([7n]);
});

test("a journal that is opened later begins with what has been seen", async () => {
  journal = undefined;
  await seen(5n);
  expect(reached()).toEqual([]);
  journal = { tenant: "t", journal: "k", nextSeq: 1, committedSeq: 0 };
  expect(reached()).toEqual([]);
  moved({ committedSeq: 1 });
  expect(watermarks.current()).toEqual([{ tenant: "t", journal: "k", outboxSeq: 5n }]);
});

test("the next journal does not inherit the last one's places", async () => {
  moved({ nextSeq: 100 });
  await seen(5n);
  moved({ journal: "k", nextSeq: 3, committedSeq: 2 });
  expect(reached()).toEqual([]);
  moved({ committedSeq: 3 });
  expect(reached()).toEqual([5n]);
});

test("events that went back, of another store, begin anew", async () => {
  await seen(500n);
  expect(reached()).toEqual([500n]);
  moved({ nextSeq: 11 });
  await seen(3n);
  expect(reached()).toEqual([]);
  moved({ committedSeq: 11 });
  expect(reached()).toEqual([3n]);
});

test("events of another tenant are not this journal's", async () => {
  watermarks.seen("other", 5n);
  await new Promise(setImmediate);
  expect(reached()).toEqual([]);
});
