import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import { decision, insertTenant, type TestDatabase, TestJournal, testDatabase, testKeys } from "../testing/index.ts";
import { insertSegments } from "./ingest.ts";
import { giveJournals } from "./journals.ts";
import { endLostJournal } from "./lost-journals.ts";
import { LedgerWriter, type RecordDraft } from "./writer.ts";

const keys = testKeys();
const recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
let store: TestDatabase;
let hub: Database;
let operator: Database;
let tenantId: string;
let journal: TestJournal;
/** The pod that the journal belonged to when it was looked for. */
let podUid: string;

beforeAll(async () => {
  store = await testDatabase();
  [hub, operator] = await Promise.all([store.database("heauth_hub"), store.database("heauth_operator")]);
});
afterAll(() => store.drop());

beforeEach(async () => {
  tenantId = await insertTenant(store.superuser, `t${uuidv7().slice(-12)}`);
  journal = new TestJournal(tenantId, keys.hub, { pod: "shop/web-0" });
  podUid = uuidv7();
  await hub.transaction((tx) => journal.register(tx, keys.hub));
  await give(podUid);
  await ship(decision(undefined));
});

const give = (uid: string) => hub.transaction((tx) => giveJournals(tx, tenantId, [journal.id], uid));
function ship(...drafts: RecordDraft[]) {
  const segment = journal.seal(...drafts);
  return hub.transaction((tx) => insertSegments(tx, tenantId, journal.id, [segment]));
}
/** However lately something came of it: nothing but the journal's own state stands in the way. */
const end = () =>
  operator.tenantTransaction(tenantId, (tx) =>
    endLostJournal(tx, recorder, { tenantId, journalId: journal.id, podUid }, 0),
  );

test("a journal that nobody has closed or taken over is ended, once", async () => {
  expect([await end(), await end()]).toEqual([true, false]);
});

test("one that was closed since it was looked for is not", async () => {
  await ship({ type: "journal.close" });
  expect(await end()).toBe(false);
});

test("one that another pod has taken over since is not", async () => {
  await give(uuidv7());
  expect(await end()).toBe(false);
});
