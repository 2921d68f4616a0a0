import { encodeRecord, type RecordInput, sha256, verifyLedger } from "@heauth/core/ledger";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Database } from "../database.ts";
import { decision, insertTenant, type TestDatabase, TestJournal, testDatabase, testKeys } from "../testing/index.ts";
import { insertSegments, journalsOfPod, LedgerReader, LedgerWriter } from "./index.ts";
import type { IncomingSegment } from "./open-segment.ts";

const keys = testKeys();
let store: TestDatabase;
let hub: Database;
let tenant: string;
let journal: TestJournal;
let sent: IncomingSegment[];

beforeAll(async () => {
  store = await testDatabase();
  hub = await store.database("heauth_hub");
});
afterAll(() => store.drop());

const ship = (of: TestJournal, ...segments: IncomingSegment[]) =>
  hub.transaction((tx) => insertSegments(tx, tenant, of.id, segments));
const sql = (statement: string, ...params: unknown[]) => store.superuser.query(statement, [tenant, ...params]);

/** Restores a database that had so many of the journal's segments. */
async function rollBack(segments: number): Promise<void> {
  await sql(
    "DELETE FROM segment_session WHERE tenant_id = $1 AND journal_id = $2 AND number >= $3",
    journal.id,
    segments,
  );
  await sql("DELETE FROM segment WHERE tenant_id = $1 AND journal_id = $2 AND number >= $3", journal.id, segments);
  await sql("DELETE FROM seal_queue WHERE tenant_id = $1 AND journal_id = $2 AND number >= $3", journal.id, segments);
  const last = sent[segments - 1];
  const header = JSON.parse(Buffer.from(last?.header ?? "{}").toString());
  await sql(
    "UPDATE journal_head SET next_number = $3, next_seq = $4, previous = $5 WHERE tenant_id = $1 AND journal_id = $2",
    journal.id,
    segments,
    header.first + header.count,
    last && sha256(last.header),
  );
}

/** A sidecar that has shipped three segments, of which the database then has lost two. */
beforeEach(async () => {
  tenant = await insertTenant(store.superuser, `t${crypto.randomUUID().slice(-12)}`);
  journal = new TestJournal(tenant, keys.hub);
  await hub.transaction((tx) => journal.register(tx, keys.hub));
  sent = [0, 1, 2].map(() => journal.seal(decision(undefined)));
  for (const segment of sent) await ship(journal, segment);
  await rollBack(1);
});

async function verdict() {
  const operator = await store.database("heauth_operator");
  return operator.read((tx) => verifyLedger(new LedgerReader(tx, tenant), keys.pinned));
}

describe("a sidecar's journal that went back with the database", () => {
  test("can't go on behind the gap, and can where what was lost is still there", async () => {
    const next = journal.seal(decision(undefined));
    await expect(ship(journal, next)).rejects.toMatchObject({ code: "OutOfOrder" });
    expect(await ship(journal, ...sent.slice(1), next)).toMatchObject({ number: 4 });
    expect(await verdict()).toMatchObject({ status: "Intact", counts: { gaps: 0 } });
  });

  test("is closed where the database has it by the journal that follows it, which records the gap", async () => {
    const lost = journal.head.seq;
    const next = new TestJournal(tenant, keys.hub, { recovers: [journal.id] });
    const { recovered } = await hub.transaction((tx) => next.register(tx, keys.hub));
    const head = recovered[0]?.head;
    expect(head).toMatchObject({ number: 1, seq: 2 });
    if (head === undefined) return;
    const gap = { journal: journal.id, from: head.seq, lost: lost - head.seq };
    await ship(next, next.seal({ type: "gap", gap, reason: "WalCorrupt" }));
    const closing = { type: "journal.close", at: Date.now() * 1000, source: "sidecar", pod: "shop/web-0" } as const;
    const place = { tenant, journal: journal.id, seq: head.seq, prev: undefined };
    const record = encodeRecord({ ...closing, reason: "Recovered" } satisfies RecordInput, place);
    await ship(journal, next.sealRecords([record], head, journal.id));
    await ship(next, next.seal(decision(undefined)));
    expect(await verdict()).toMatchObject({
      status: "Intact",
      incomplete: [{ journal: journal.id, from: 2, lost: 2 }],
      counts: { openJournals: 1 },
    });
    await expect(ship(journal, journal.seal(decision(undefined)))).rejects.toMatchObject({ code: "JournalFinal" });
  });

  test("whose registration is gone too is unknown: its pod's next journal begins without it", async () => {
    await sql("DELETE FROM seal_queue WHERE tenant_id = $1");
    for (const table of ["segment_session", "segment", "journal_head"]) {
      await sql(`DELETE FROM ${table} WHERE tenant_id = $1 AND journal_id = $2`, journal.id);
    }
    await sql("DELETE FROM journal WHERE tenant_id = $1");
    await expect(ship(journal, journal.seal(decision(undefined)))).rejects.toMatchObject({ code: "JournalUnknown" });
    expect(await hub.transaction((tx) => journalsOfPod(tx, tenant, "shop/web-0", [journal.id]))).toEqual([]);
    const next = new TestJournal(tenant, keys.hub);
    await hub.transaction((tx) => next.register(tx, keys.hub));
    const gap = { journal: journal.id, from: 0, lost: 4 };
    await ship(next, next.seal({ type: "gap", gap, reason: "WalCorrupt" }));
    expect(await verdict()).toMatchObject({ status: "Intact", incomplete: [{ journal: journal.id, lost: 4 }] });
  });
});

test.each(["journal's records", "whole journal"])(
  "a program goes on when its own %s went back with the database",
  async (what) => {
    const identity = await store.database("heauth_identity");
    const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
    const say = () =>
      identity.tenantTransaction(tenant, (tx) => writer.append(tx, tenant, [{ type: "identity.user-created" }]));
    const [first] = await say();
    const own = first?.split("/")[0];
    const [segment] = await store.superuser.query<{ header: Buffer }>(
      "SELECT header FROM segment WHERE tenant_id = $1 AND journal_id = $2",
      [tenant, own],
    );
    await say();
    const all = what === "whole journal";
    for (const table of ["segment_session", "segment", "seal_queue"]) {
      await sql(`DELETE FROM ${table} WHERE tenant_id = $1 AND journal_id = $2 AND (number > 0 OR $3)`, own, all);
    }
    if (all) {
      await sql("DELETE FROM seal_queue WHERE tenant_id = $1 AND journal_id = $2", own);
      await sql("DELETE FROM journal_head WHERE tenant_id = $1 AND journal_id = $2", own);
      await sql("DELETE FROM journal WHERE tenant_id = $1 AND id = $2", own);
    } else {
      const previous = segment && sha256(segment.header);
      await sql(
        "UPDATE journal_head SET next_number = 1, next_seq = 2, previous = $3 WHERE tenant_id = $1 AND journal_id = $2",
        own,
        previous,
      );
    }
    const [again] = await say();
    expect(again).toBe(`${own}/${all ? 1 : 2}`);
    expect(await verdict()).toMatchObject({ status: "Intact" });
  },
);
