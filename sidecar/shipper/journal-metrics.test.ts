import { createMetrics } from "@heauth/program";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createJournalMetrics } from "./journal-metrics.ts";
import { decision, JournalRig } from "./testing/journal-rig.ts";

let rig: JournalRig;
beforeEach(async () => {
  rig = await JournalRig.make();
});
afterEach(() => rig.end());

test("a journal counts what it made durable and what the hub took", async () => {
  const metrics = createMetrics();
  const journal = await rig.start(undefined, { metrics: createJournalMetrics(metrics) });
  await Promise.all([1, 2, 3].map((number) => journal.write(decision(number), "Database")));
  const text = await metrics.text();
  expect(text).toMatch(/^heauth_records_total 4$/m); // with journal.open
  expect(text).toMatch(/^heauth_wal_flush_seconds_count [1-9]/m);
  expect(text).toMatch(/^heauth_segments_shipped_total [1-9]/m);
});
