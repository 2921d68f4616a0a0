import { parseCheckpoint, parseKeyChange, verifyCheckpoint } from "@heauth/core/ledger";
import {
  type Database,
  insertSegments,
  LedgerWriter,
  noteWatermark,
  type RecordDraft,
  revokeSessions,
} from "@heauth/store";
import { decision, insertSession, openingOf, TestJournal } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { closeBlocks } from "../close-blocks/close-blocks.ts";

let rig: SealRig;
let tenant: SealedTenant;

beforeAll(async () => {
  rig = await SealRig.open();
});
afterAll(() => rig.drop());
beforeEach(async () => {
  tenant = await rig.tenant();
});
afterEach(() => tenant.end());

describe("sealing", () => {
  test("begins with the program keys, appends in order, signs a checkpoint and moves the anchor", async () => {
    await tenant.record();
    expect(await tenant.seal()).toEqual({ kind: "Sealed", size: 6, more: false });
    const entries = await tenant.sql("SELECT kind, number FROM log_entry WHERE tenant_id = $1 ORDER BY index");
    expect(entries).toEqual([
      { kind: "key", number: 0 },
      { kind: "key", number: 1 },
      { kind: "key", number: 2 },
      { kind: "key", number: 3 },
      { kind: "registration", number: null },
      { kind: "segment", number: 0 },
    ]);
    const note = (await tenant.anchor()) ?? "";
    expect(verifyCheckpoint(note, rig.keys.pinned)).toMatchObject({ tenant: tenant.id, epoch: 0, size: 6 });
    expect(await tenant.sql("SELECT note FROM checkpoint WHERE tenant_id = $1")).toEqual([{ note }]);
    expect(await tenant.sql("SELECT id FROM seal_queue WHERE tenant_id = $1")).toEqual([]);
    expect(await tenant.verify(note)).toMatchObject({ status: "Intact", anchor: "Matched", findings: [] });
  });

  test("of nothing new leaves everything as it is", async () => {
    await tenant.record();
    await tenant.seal();
    const note = await tenant.anchor();
    expect(await tenant.seal()).toEqual({ kind: "Unchanged", size: 6 });
    expect(await tenant.anchor()).toBe(note);
    expect(await tenant.sql("SELECT size FROM checkpoint WHERE tenant_id = $1")).toHaveLength(1);
  });

  test("by two at once appends each entry once", async () => {
    await tenant.record(3);
    await tenant.seal();
    for (let i = 0; i < 6; i++) await tenant.record();
    const outcomes = await Promise.allSettled([tenant.seal(), tenant.seal(), tenant.seal()]);
    expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "HeadMoved" });
    }
    await tenant.seal();
    expect(await tenant.verify(await tenant.anchor())).toMatchObject({ status: "Intact", anchor: "Matched" });
  });

  test("by one that was frozen in mid-transaction, and goes on when another has sealed, changes nothing", async () => {
    await tenant.record();
    await tenant.seal();
    await tenant.record();
    const [frozen, thawed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const database: Database = {
      ...rig.operator,
      tenantTransaction: (id, work) =>
        rig.operator.tenantTransaction(id, (tx) =>
          work({
            async query<Row extends object>(sql: string, params?: readonly unknown[]) {
              if (sql.startsWith("UPDATE log_head SET epoch")) {
                frozen.resolve();
                await thawed.promise;
              }
              return tx.query<Row>(sql, params);
            },
          }),
        ),
    };
    const first = tenant.seal({ database }).catch((error: unknown) => error);
    await frozen.promise;
    const second = tenant.seal();
    await rig.store.someoneWaits();
    // What the server does to a transaction in which nothing happens for 10 s.
    await rig.store.superuser.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
    );
    expect(await second).toMatchObject({ kind: "Sealed", size: 7 });
    thawed.resolve();
    expect(await first).toMatchObject({ code: "StoreUnavailable" });
    expect(await tenant.verify(await tenant.anchor())).toMatchObject({ status: "Intact", anchor: "Matched" });
    expect(await tenant.seal()).toEqual({ kind: "Unchanged", size: 7 });
  });

  test("tells of keys that come and go", async () => {
    await tenant.record();
    await tenant.seal();
    const inForce = new Set([...rig.keys.pinned.keys()].filter((id) => id !== rig.keys.cli.id));
    await tenant.seal({ keys: { operator: rig.keys.operator, pinned: rig.keys.pinned, inForce } });
    const changes = await tenant.sql<{ body: Buffer }>(
      "SELECT body FROM key_change WHERE tenant_id = $1 ORDER BY number",
    );
    expect(changes.map(({ body }) => parseKeyChange(body)).map(({ id, event }) => [id, event])).toEqual([
      ...[...rig.keys.pinned.keys()].map((id) => [id, "Pinned"]),
      [rig.keys.cli.id, "Retired"],
    ]);
    expect(await tenant.verify(await tenant.anchor())).toMatchObject({ status: "Intact" });
  });

  test("catches up with an anchor that could not be written", async () => {
    await tenant.record();
    await tenant.seal();
    const old = (await tenant.anchor()) ?? "";
    await tenant.record();
    await tenant.record();
    const failing = {
      read: tenant.anchors.read.bind(tenant.anchors),
      write: () => Promise.reject(new Error("disk full")),
    };
    await expect(tenant.seal({ anchors: failing })).rejects.toThrow("disk full");
    expect(await tenant.anchor()).toBe(old);
    expect(await tenant.seal()).toEqual({ kind: "Unchanged", size: 8 });
    expect(parseCheckpoint((await tenant.anchor()) ?? "").size).toBe(8);
  });
});

test("the whole chain, from a login to a closed and amended block, verifies", async () => {
  const session = await insertSession(rig.store.superuser, rig.keys, tenant.id);
  await rig.identity.tenantTransaction(tenant.id, (tx) => tenant.writer.append(tx, tenant.id, [openingOf(session)]));
  const journal = new TestJournal(tenant.id, rig.keys.hub);
  const ship = (...drafts: RecordDraft[]) => {
    const segment = journal.seal(...drafts);
    return rig.hub.transaction((tx) => insertSegments(tx, tenant.id, journal.id, [segment]));
  };
  await rig.hub.transaction((tx) => journal.register(tx, rig.keys.hub));
  await ship(decision(session.id), decision(undefined), decision(session.id));
  await tenant.seal();
  const logout = { tenantId: tenant.id, sessionIds: [session.id], reason: "Logout" } as const;
  await rig.identity.tenantTransaction(tenant.id, (tx) => revokeSessions(tx, tenant.writer, logout));
  const recorder = new LedgerWriter({ program: "operator", programKey: rig.keys.operator });
  const onFailure = (_session: object, error: unknown) => {
    throw error;
  };
  const close = () => closeBlocks({ database: rig.operator, recorder, onFailure, amendAfterMs: 0 });
  await close();
  expect(await tenant.sql("SELECT number FROM closed_block WHERE tenant_id = $1")).toEqual([]);
  await rig.hub.transaction((tx) => noteWatermark(tx, tenant.id, journal.id, 1));
  await close();
  expect(await tenant.sql("SELECT number, actions, reason FROM closed_block WHERE tenant_id = $1")).toEqual([
    { number: 0, actions: 2, reason: "Logout" },
  ]);
  expect(await tenant.sql("SELECT session_id FROM active_block WHERE tenant_id = $1")).toEqual([]);
  await ship(decision(session.id, { decision: "Deny", reason: "SessionClosed" }));
  await ship(decision(session.id, { decision: "Deny", reason: "SessionClosed" }), { type: "journal.close" });
  await tenant.seal();
  expect(await tenant.verify(await tenant.anchor())).toMatchObject({
    status: "Intact",
    pending: [{ session: session.id, journal: journal.id, count: 2 }],
  });
  await close();
  await close();
  await Promise.all([tenant.writer.close(rig.identity), recorder.close(rig.operator)]);
  await tenant.seal();
  expect(await tenant.verify(await tenant.anchor())).toMatchObject({
    status: "Intact",
    anchor: "Matched",
    pending: [],
    findings: [],
    counts: { blocks: 1, openSessions: 0, openJournals: 0 },
  });
});
