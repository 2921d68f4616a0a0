import { encodeRecord } from "@heauth/core/ledger";
import { defaultTenantSettings } from "@heauth/core/resources";
import { uuidv7 } from "@heauth/program";
import { giveJournals, insertSegments, LedgerWriter, type RecordDraft } from "@heauth/store";
import { decision, TestJournal } from "@heauth/store/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { LostJournals } from "./lost-journals.ts";
import type { PodName } from "./pod-lives.ts";

const GRACE_MS = 60_000;

let rig: SealRig;
let tenant: SealedTenant;
let uid: string;
let journal: TestJournal;
/** What is so of pods, by uid: `Here` is known to be, `Unseen` is but was not heard of yet. */
let pods: Map<string, "Here" | "Unseen" | "Gone" | "NoAnswer">;
let asked: string[];
let nowMs: number;
let lost: string[];
let failures: unknown[];
let job: LostJournals;

beforeAll(async () => {
  rig = await SealRig.open();
});
afterAll(() => rig.drop());

beforeEach(async () => {
  // What another test left open would be looked at here.
  await rig.store.superuser.query("UPDATE journal_head SET final = true");
  tenant = await rig.tenant();
  await tenant.record();
  [pods, asked, nowMs, lost, failures] = [new Map(), [], 0, [], []];
  uid = uuidv7();
  journal = await openJournal(uid, "shop/web-0");
  await ship(decision(undefined), decision(undefined));
  await silentFor(2 * GRACE_MS);
  job = newJob();
});

async function openJournal(podUid: string | null, pod: string, recovers: string[] = []): Promise<TestJournal> {
  const opened = new TestJournal(tenant.id, rig.keys.hub, { pod, recovers });
  await rig.hub.transaction(async (tx) => {
    await opened.register(tx, rig.keys.hub);
    await giveJournals(tx, tenant.id, [opened.id, ...recovers], podUid);
  });
  return opened;
}

function ship(...drafts: RecordDraft[]): Promise<unknown> {
  const segment = journal.seal(...drafts);
  return rig.hub.transaction((tx) => insertSegments(tx, tenant.id, journal.id, [segment]));
}

/** As if nothing had come of any journal since then. */
function silentFor(ms: number): Promise<unknown> {
  return tenant.sql(
    "UPDATE journal_head SET updated_at = now() - $2 * interval '1 ms' WHERE tenant_id = $1 AND pod_uid IS NOT NULL",
    ms,
  );
}

function newJob(): LostJournals {
  return new LostJournals({
    database: rig.operator,
    recorder: new LedgerWriter({ program: "operator", programKey: rig.keys.operator }),
    graceMs: GRACE_MS,
    nowMs: () => nowMs,
    onLost: ({ journalId, pod }) => lost.push(`${pod} ${journalId}`),
    onFailure: (_, error) => failures.push(error),
    pods: {
      seems: ({ uid }) => pods.get(uid) === "Here",
      async isGone({ namespace, name, uid }: PodName) {
        asked.push(`${namespace}/${name}`);
        if (pods.get(uid) === "NoAnswer") throw new Error("the API server is away");
        return pods.get(uid) === "Gone";
      },
    },
  });
}

/** One round when the pod is missed, and one when the grace is over. */
async function rounds(of = job): Promise<void> {
  await of.round();
  nowMs += GRACE_MS;
  await of.round();
}

function gaps() {
  return tenant.sql(
    `SELECT record -> 'gap' AS gap, reason, source FROM audit_record WHERE tenant_id = $1 AND type = 'gap'`,
  );
}

const told = (from: number) => [{ gap: { journal: journal.id, from }, reason: "JournalLost", source: "operator" }];
const incomplete = async () => {
  const { status, incomplete: found, counts } = await tenant.verify();
  expect(counts.gaps).toBe(found.length);
  return [status, found.map(({ journal: of, pod, from, lost, reason }) => ({ of, pod, from, lost, reason }))];
};
const missing = (from: number) => [{ of: journal.id, pod: "shop/web-0", from, lost: undefined, reason: "JournalLost" }];

describe("a journal of a pod that is gone", () => {
  beforeEach(() => void pods.set(uid, "Gone"));

  test("ends with a gap when the grace is over, once, and the ledger says intact, incomplete", async () => {
    await job.round();
    nowMs += GRACE_MS - 1;
    await job.round();
    expect([asked, await gaps()]).toEqual([["shop/web-0"], []]);
    nowMs += 1;
    await job.round();
    expect(await gaps()).toEqual(told(3));
    expect(lost).toEqual([`shop/web-0 ${journal.id}`]);
    expect(await tenant.seal()).toMatchObject({ kind: "Sealed" });
    expect(await incomplete()).toEqual(["Intact", missing(3)]);
    asked.length = 0;
    await rounds();
    await rounds(newJob());
    expect([asked, failures, await gaps()]).toEqual([[], [], told(3)]);
  });

  test("alerts the tenant's receivers, naming pod, journal and the first number that may be missing", async () => {
    const receiver = {
      name: "secops",
      webhook: { url: "https://hooks.test/", signingSecretRef: { name: "h", key: "k" } },
    };
    const alerts = { receivers: [receiver], dedupWindowMs: 300_000 };
    const settings = { ...defaultTenantSettings(tenant.name, ["shop"]), alerts };
    await tenant.sql("UPDATE tenant SET settings = $2 WHERE id = $1", JSON.stringify(settings));
    await rounds();
    const [record] = await tenant.sql<{ id: string }>(
      "SELECT id FROM audit_record WHERE tenant_id = $1 AND type = 'gap'",
    );
    const details = {
      pod: "shop/web-0",
      finding: `an unknown number of records, perhaps none, of journal ${journal.id} of pod shop/web-0 from seq 3 on`,
    };
    expect(
      await tenant.sql(
        `SELECT reason, record_id, details, receiver, kind FROM alert JOIN alert_delivery AS due USING (tenant_id)
          WHERE tenant_id = $1 AND due.alert_id = alert.id`,
      ),
    ).toEqual([{ reason: "JournalLost", record_id: record?.id, details, receiver: "secops", kind: "First" }]);
  });

  test("is told of once by operators who both believe that it is their turn", async () => {
    const both = [job, newJob()];
    for (const each of both) await each.round();
    nowMs += GRACE_MS;
    await Promise.all(both.map((each) => each.round()));
    expect(await gaps()).toEqual(told(3));
    expect(lost).toHaveLength(1);
  });

  test("is not lost when it was closed meanwhile", async () => {
    await job.round();
    await ship({ type: "journal.close" });
    await silentFor(2 * GRACE_MS);
    await rounds();
    expect([await gaps(), await incomplete()]).toEqual([[], ["Intact", []]]);
  });

  test("is not lost when its end is just being taken in", async () => {
    await job.round();
    nowMs += GRACE_MS;
    const segment = journal.seal({ type: "journal.close" });
    let round: Promise<unknown> = Promise.resolve();
    await rig.hub.transaction(async (tx) => {
      await insertSegments(tx, tenant.id, journal.id, [segment]);
      round = job.round();
      await rig.store.someoneWaits();
    });
    await round;
    expect([await gaps(), lost]).toEqual([[], []]);
  });

  test("is not lost while something still comes of it", async () => {
    await job.round();
    nowMs += GRACE_MS;
    await ship(decision(undefined));
    await job.round();
    expect(await gaps()).toEqual([]);
    await silentFor(GRACE_MS);
    await job.round();
    expect(await gaps()).toEqual(told(4));
  });

  test("is not lost when the next pod of its name took it over, and lost when that one is gone, too", async () => {
    await job.round();
    const next = uuidv7();
    pods.set(next, "Here");
    const recovering = await openJournal(next, "shop/web-0", [journal.id]);
    await silentFor(2 * GRACE_MS);
    await rounds();
    expect(await gaps()).toEqual([]);
    pods.set(next, "Gone");
    await rounds();
    // The one that was to recover it never had a record, so it has lost none.
    expect(await gaps()).toEqual(told(3));
    const open = "SELECT journal_id FROM journal_head WHERE tenant_id = $1 AND pod_uid IS NOT NULL AND lost_at IS NULL";
    expect([recovering.head.seq, await tenant.sql(open)]).toEqual([0, []]);
  });

  test("holds up nobody else's when it can't be ended", async () => {
    const broken = tenant;
    tenant = await rig.tenant();
    const other = uuidv7();
    pods.set(other, "Gone");
    journal = await openJournal(other, "shop/web-1");
    await ship();
    await silentFor(2 * GRACE_MS);
    await broken.sql("UPDATE journal_head SET next_seq = -1 WHERE tenant_id = $1 AND pod_uid IS NOT NULL");
    await rounds();
    expect(failures).toHaveLength(1);
    expect(await gaps()).toEqual(told(1));
  });
});

test("what comes late is taken in; the journal's end fills the gap", async () => {
  pods.set(uid, "Gone");
  await rounds();
  await ship(decision(undefined));
  await tenant.seal();
  expect(await incomplete()).toEqual(["Intact", missing(4)]);
  await ship({ type: "journal.close" });
  await tenant.seal();
  expect(await incomplete()).toEqual(["Intact", []]);
});

test("so does its end that the next pod of its name signs, with the disk of the former one", async () => {
  pods.set(uid, "Gone");
  await rounds();
  const { id, head } = journal;
  journal = await openJournal(uuidv7(), "shop/web-0", [id]);
  await ship();
  const close = { type: "journal.close", at: Date.now() * 1000, source: "sidecar", pod: "shop/web-0" } as const;
  const record = encodeRecord(close, { tenant: tenant.id, journal: id, seq: head.seq, prev: undefined });
  const segment = journal.sealRecords([record], head, id);
  await rig.hub.transaction((tx) => insertSegments(tx, tenant.id, id, [segment]));
  await tenant.seal();
  expect(await incomplete()).toEqual(["Intact", []]);
});

describe("no journal is lost", () => {
  const nothing = async () => expect([await gaps(), lost]).toEqual([[], []]);

  test.each([
    ["is there: nobody is asked about it", "Here", 0],
    ["was only not heard of", "Unseen", 2],
  ] as const)("of a pod that %s", async (_, state, times) => {
    pods.set(uid, state);
    await rounds();
    expect(asked).toHaveLength(times);
    await nothing();
  });

  test("while there is no answer, however long the pod has been missed", async () => {
    pods.set(uid, "NoAnswer");
    await expect(job.round()).rejects.toThrow("away");
    pods.set(uid, "Gone");
    await job.round();
    pods.set(uid, "NoAnswer");
    nowMs += 10 * GRACE_MS;
    await expect(job.round()).rejects.toThrow("away");
    await nothing();
  });

  test("of a pod that is there again: its grace begins anew when it is missed again", async () => {
    pods.set(uid, "Gone");
    await job.round();
    pods.set(uid, "Here");
    await rounds();
    pods.set(uid, "Gone");
    await job.round();
    nowMs += GRACE_MS - 1;
    await job.round();
    await nothing();
  });

  test("of a process that is in no pod", async () => {
    await tenant.sql("UPDATE journal_head SET pod_uid = NULL WHERE tenant_id = $1");
    await rounds();
    expect(asked).toEqual([]);
    await nothing();
  });

  test("of a tenant whose data is to be deleted", async () => {
    pods.set(uid, "Gone");
    await tenant.sql("UPDATE tenant SET deleted_at = now(), reclaim_policy = 'Delete' WHERE id = $1");
    await rounds();
    await nothing();
    await tenant.sql("UPDATE tenant SET reclaim_policy = 'Retain' WHERE id = $1");
    await rounds();
    expect(await gaps()).toEqual(told(3));
  });
});
