import { insertSegments, LedgerWriter, noteWatermark, type RecordDraft, revokeSessions } from "@heauth/store";
import { decision, insertSession, openingOf, TestJournal, type TestSession } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { closeBlocks } from "../close-blocks/close-blocks.ts";
import { dropOld } from "./drop-old.ts";

let rig: SealRig;
let tenant: SealedTenant;
let journal: TestJournal;
let recorder: LedgerWriter;
let done: TestSession;
let open: TestSession;

beforeAll(async () => {
  rig = await SealRig.open();
});
afterAll(() => rig.drop());

const onFailure = (_what: object, error: unknown) => {
  throw error;
};
const ship = (...drafts: RecordDraft[]) => {
  const segment = journal.seal(...drafts);
  return rig.hub.transaction((tx) => insertSegments(tx, tenant.id, journal.id, [segment]));
};

/** A session that is over, one that is open, and a request without one; all sealed. */
beforeEach(async () => {
  tenant = await rig.tenant();
  journal = new TestJournal(tenant.id, rig.keys.hub);
  recorder = new LedgerWriter({ program: "operator", programKey: rig.keys.operator });
  [done, open] = [
    await insertSession(rig.store.superuser, rig.keys, tenant.id),
    await insertSession(rig.store.superuser, rig.keys, tenant.id),
  ];
  await tenant.sql(
    "UPDATE session SET peer = '192.0.2.7', user_agent = 'browser', device_id = 'd' WHERE tenant_id = $1",
  );
  const openings = [done, open].map((session) => ({ ...openingOf(session), private: { login: "ada" } }));
  await rig.identity.tenantTransaction(tenant.id, (tx) => tenant.writer.append(tx, tenant.id, openings));
  await rig.hub.transaction((tx) => journal.register(tx, rig.keys.hub));
  await ship(decision(done.id), decision(undefined), decision(open.id), decision(done.id));
  await ship(decision(open.id));
  await end(done);
  await tenant.seal();
});
afterEach(() => tenant.end());

async function end(session: TestSession): Promise<void> {
  const logout = { tenantId: tenant.id, sessionIds: [session.id], reason: "Logout" } as const;
  await rig.identity.tenantTransaction(tenant.id, (tx) => revokeSessions(tx, tenant.writer, logout));
  await rig.hub.transaction((tx) => noteWatermark(tx, tenant.id, journal.id, 1_000));
  await closeBlocks({ database: rig.operator, recorder, onFailure, amendAfterMs: 0 });
}

async function keepFor(days: number): Promise<void> {
  await tenant.sql("UPDATE tenant SET settings = settings || jsonb_build_object('audit', $2::jsonb) WHERE id = $1", {
    retentionDays: days,
  });
}

/** All that is there now came in so many days earlier. */
async function age(days: number): Promise<void> {
  await tenant.sql("UPDATE segment SET created_at = created_at - $2 * interval '1 day' WHERE tenant_id = $1", days);
  await tenant.sql(
    "UPDATE session SET closed_at = closed_at - $2 * interval '1 day' WHERE tenant_id = $1 AND closed_at IS NOT NULL",
    days,
  );
}

const drop = () => dropOld({ database: rig.operator, recorder, onFailure });
const intact = async (anchored = true) =>
  expect(await tenant.verify(anchored ? await tenant.anchor() : undefined)).toMatchObject({
    status: "Intact",
    findings: [],
  });
const left = () =>
  tenant.sql<{ session_id: string; number: number }>(
    "SELECT session_id, number FROM segment_session WHERE tenant_id = $1 AND privates IS NOT NULL ORDER BY number",
  );

describe("after so many days", () => {
  beforeEach(() => keepFor(30));

  test("private parts go, but those of open sessions, and the ledger says which", async () => {
    await age(31);
    // What a closed block says is when its session was closed; only the age of the rows is what this test changes.
    await tenant.sql("UPDATE session SET closed_at = closed_at + 31 * interval '1 day' WHERE tenant_id = $1");
    while (await drop());
    const kept = await left();
    expect(new Set(kept.map(({ session_id }) => session_id))).toEqual(new Set([open.id]));
    expect(kept).toHaveLength(3);
    const told = await tenant.sql<{ erased: object }>(
      "SELECT record -> 'erased' AS erased FROM audit_record WHERE tenant_id = $1 AND type = 'retention.dropped'",
    );
    expect(told).toEqual([
      { erased: { except: [open.id], segments: expect.arrayContaining([{ journal: journal.id, first: 0, last: 1 }]) } },
    ]);
    await tenant.seal();
    await intact();
    const shown = await tenant.sql<{ private_part: string; path: string | null }>(
      "SELECT DISTINCT private_part, path FROM audit_record WHERE tenant_id = $1 AND type = 'decision' ORDER BY 1",
    );
    expect(shown).toEqual([
      { private_part: "Erased", path: null },
      { private_part: "Present", path: "/patients/1" },
    ]);
    expect(await drop()).toBe(false);
    expect(
      await tenant.sql("SELECT FROM audit_record WHERE tenant_id = $1 AND type = 'retention.dropped'"),
    ).toHaveLength(1);
  });

  test("those of a session that was spared go when it is closed and as old", async () => {
    await age(31);
    while (await drop());
    await end(open);
    await tenant.seal();
    while (await drop());
    expect((await left()).length).toBeGreaterThan(0);
    await age(31);
    while (await drop());
    expect(await left()).toEqual([]);
    expect(await tenant.sql("SELECT FROM retention_spared WHERE tenant_id = $1")).toEqual([]);
    await tenant.seal();
    expect((await tenant.verify()).findings.map((found) => found.class)).not.toContain("PrivatePartMissing");
  });

  test("what is not sealed waits, and what is younger stays", async () => {
    await ship(decision(undefined));
    await age(31);
    await ship(decision(undefined));
    while (await drop());
    expect((await left()).map(({ number }) => number)).toEqual(expect.arrayContaining([2, 3]));
    await tenant.seal();
    while (await drop());
    const numbers = (await left()).filter(({ session_id }) => session_id !== open.id).map(({ number }) => number);
    expect(numbers).toEqual([3]);
  });

  test("devices of closed sessions and what alerts say of a request are forgotten, and of open ones not", async () => {
    await tenant.sql(`INSERT INTO alert (tenant_id, id, reason, dedup_key, details, first_at, last_at)
      VALUES ($1, gen_random_uuid(), 'BadSignature', 'a', '{"path": "/x", "peer": "192.0.2.7", "rule": "r"}',
              now() - interval '40 days', now() - interval '40 days')`);
    await age(31);
    while (await drop());
    const sessions = await tenant.sql<{ id: string; peer: string | null; user_agent: string | null }>(
      "SELECT id, peer, user_agent FROM session WHERE tenant_id = $1 ORDER BY closed_at NULLS LAST",
    );
    expect(sessions).toEqual([
      { id: done.id, peer: null, user_agent: null },
      { id: open.id, peer: "192.0.2.7", user_agent: "browser" },
    ]);
    expect(await tenant.sql("SELECT details FROM alert WHERE tenant_id = $1")).toEqual([{ details: { rule: "r" } }]);
  });

  test("two who drop at once tell of it once", async () => {
    await age(31);
    await Promise.all([drop(), drop(), drop()]);
    expect(
      await tenant.sql("SELECT FROM audit_record WHERE tenant_id = $1 AND type = 'retention.dropped'"),
    ).toHaveLength(1);
    await tenant.seal();
    expect((await tenant.verify()).findings.map((found) => found.class)).not.toContain("PrivatePartMissing");
  });

  test("much to erase of one tenant's costs the others no further turn", async () => {
    for (let n = 0; n < 70; n++) await ship(decision(undefined));
    await tenant.seal();
    await age(31);
    const other = await rig.tenant();
    await tenant.sql(
      "UPDATE tenant SET settings = (SELECT settings FROM tenant WHERE id = $1) WHERE id = $2",
      other.id,
    );
    const turns: string[] = [];
    const database: typeof rig.operator = {
      ...rig.operator,
      tenantTransaction: (id, work) => {
        turns.push(id);
        return rig.operator.tenantTransaction(id, work);
      },
    };
    await dropOld({ database, recorder, onFailure });
    const of = (id: string) => turns.filter((turn) => turn === id).length;
    expect([of(tenant.id), of(other.id)]).toEqual([6, 3]);
    await other.end();
  });

  test("ends between two tenants when it is to stop", async () => {
    await age(31);
    const before = await left();
    expect(await dropOld({ database: rig.operator, recorder, onFailure, stopping: AbortSignal.abort() })).toBe(false);
    expect(await left()).toEqual(before);
  });

  test("many segments go in several transactions", async () => {
    for (let n = 0; n < 70; n++) await ship(decision(undefined));
    await tenant.seal();
    await age(31);
    expect(await drop()).toBe(false);
    const told = "SELECT FROM audit_record WHERE tenant_id = $1 AND type = 'retention.dropped'";
    expect(await tenant.sql(told)).toHaveLength(2);
    expect(new Set((await left()).map(({ session_id }) => session_id))).toEqual(new Set([open.id]));
    await tenant.seal();
    expect((await tenant.verify()).findings.map((found) => found.class)).not.toContain("PrivatePartMissing");
  });
});

test("without a number of days nothing goes", async () => {
  await age(36_500);
  const before = await left();
  expect(await drop()).toBe(false);
  expect(await left()).toEqual(before);
});

test("a private part that vanished without a record is found, also beside those that are accounted for", async () => {
  await keepFor(30);
  await age(31);
  await tenant.sql("UPDATE session SET closed_at = closed_at + 31 * interval '1 day' WHERE tenant_id = $1");
  while (await drop());
  await tenant.seal();
  await intact();
  await tenant.sql("UPDATE segment_session SET privates = NULL WHERE tenant_id = $1 AND session_id = $2", open.id);
  const { findings } = await tenant.verify();
  expect(new Set(findings.map((found) => found.class))).toEqual(new Set(["PrivatePartMissing"]));
  expect(new Set(findings.map(({ place }) => place.session))).toEqual(new Set([open.id]));
});
