import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Frontier, parseCheckpoint, parseKeyChange, sha256, verifyCheckpoint, verifyLedger } from "@heauth/core/ledger";
import { createLogs, createMetrics, uuidv7 } from "@heauth/program";
import {
  type Database,
  insertSegments,
  LedgerReader,
  LedgerWriter,
  noteWatermark,
  type RecordDraft,
  revokeSessions,
} from "@heauth/store";
import {
  decision,
  insertSession,
  insertTenant,
  openingOf,
  type TestDatabase,
  TestJournal,
  testDatabase,
  testKeys,
} from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { AnchorFiles } from "../../anchor/files.ts";
import { closeBlocks } from "../close-blocks/close-blocks.ts";
import { type SealOptions, sealTenant } from "./seal-tenant.ts";
import { Sealer } from "./sealer.ts";

const keys = testKeys();
const { log } = createLogs({ program: "test", level: "silent" });
let store: TestDatabase;
let operator: Database;
let hub: Database;
let identity: Database;
let folder: string;
let anchors: AnchorFiles;
let tenant: { id: string; name: string };
let writer: LedgerWriter;

beforeAll(async () => {
  store = await testDatabase();
  [operator, hub, identity] = await Promise.all([
    store.database("heauth_operator"),
    store.database("heauth_hub"),
    store.database("heauth_identity"),
  ]);
});
afterAll(() => store.drop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "heauth-seal-"));
  anchors = new AnchorFiles(folder);
  const name = `t${uuidv7().slice(-12)}`;
  tenant = { name, id: await insertTenant(store.superuser, name) };
  writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const options = (): SealOptions => ({
  database: operator,
  anchors,
  keys: { operator: keys.operator, pinned: keys.pinned },
  now: () => Date.now() * 1000,
});

/** Seals until nothing is left; gives the last outcome. */
async function seal(changed: Partial<SealOptions> = {}) {
  for (;;) {
    const outcome = await sealTenant({ ...options(), ...changed }, tenant);
    if (outcome.kind !== "Sealed" || !outcome.more) return outcome;
  }
}

function record(n = 1) {
  const records = Array.from({ length: n }, () => ({ type: "identity.user-created" as const }));
  return identity.tenantTransaction(tenant.id, (tx) => writer.append(tx, tenant.id, records));
}

function verify(anchor?: string) {
  return operator.read((tx) => verifyLedger(new LedgerReader(tx, tenant.id), keys.pinned, anchor));
}

const rows = <Row extends object>(sql: string) => store.superuser.query<Row>(sql, [tenant.id]);

describe("sealing", () => {
  test("begins with the program keys, appends in order, signs a checkpoint and moves the anchor", async () => {
    await record();
    expect(await seal()).toEqual({ kind: "Sealed", size: 6, more: false });
    const entries = await rows("SELECT kind, number FROM log_entry WHERE tenant_id = $1 ORDER BY index");
    expect(entries).toEqual([
      { kind: "key", number: 0 },
      { kind: "key", number: 1 },
      { kind: "key", number: 2 },
      { kind: "key", number: 3 },
      { kind: "registration", number: null },
      { kind: "segment", number: 0 },
    ]);
    const note = (await anchors.read(tenant.name)) ?? "";
    expect(verifyCheckpoint(note, keys.pinned)).toMatchObject({ tenant: tenant.id, epoch: 0, size: 6 });
    expect(await rows("SELECT note FROM checkpoint WHERE tenant_id = $1")).toEqual([{ note }]);
    expect(await rows("SELECT id FROM seal_queue WHERE tenant_id = $1")).toEqual([]);
    expect(await verify(note)).toMatchObject({ status: "Intact", anchor: "Matched", findings: [] });
  });

  test("of nothing new leaves everything as it is", async () => {
    await record();
    await seal();
    const note = await anchors.read(tenant.name);
    expect(await seal()).toEqual({ kind: "Unchanged", size: 6 });
    expect(await anchors.read(tenant.name)).toBe(note);
    expect(await rows("SELECT size FROM checkpoint WHERE tenant_id = $1")).toHaveLength(1);
  });

  test("by two at once appends each entry once", async () => {
    await record(3);
    await seal();
    for (let i = 0; i < 6; i++) await record();
    const outcomes = await Promise.allSettled([seal(), seal(), seal()]);
    expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "HeadMoved" });
    }
    await seal();
    expect(await verify(await anchors.read(tenant.name))).toMatchObject({ status: "Intact", anchor: "Matched" });
  });

  test("tells of keys that come and go", async () => {
    await record();
    await seal();
    const inForce = new Set([...keys.pinned.keys()].filter((id) => id !== keys.cli.id));
    await seal({ keys: { operator: keys.operator, pinned: keys.pinned, inForce } });
    const changes = await rows<{ body: Buffer }>("SELECT body FROM key_change WHERE tenant_id = $1 ORDER BY number");
    expect(changes.map(({ body }) => parseKeyChange(body)).map(({ id, event }) => [id, event])).toEqual([
      ...[...keys.pinned.keys()].map((id) => [id, "Pinned"]),
      [keys.cli.id, "Retired"],
    ]);
    expect(await verify(await anchors.read(tenant.name))).toMatchObject({ status: "Intact" });
  });

  test("catches up with an anchor that could not be written", async () => {
    await record();
    await seal();
    const old = (await anchors.read(tenant.name)) ?? "";
    await record();
    await record();
    const failing = { read: anchors.read.bind(anchors), write: () => Promise.reject(new Error("disk full")) };
    await expect(seal({ anchors: failing })).rejects.toThrow("disk full");
    expect(await anchors.read(tenant.name)).toBe(old);
    expect(await seal()).toEqual({ kind: "Unchanged", size: 8 });
    expect(parseCheckpoint((await anchors.read(tenant.name)) ?? "").size).toBe(8);
  });

  test("by rounds visits a tenant again after a failure, and idle ones not at all", async () => {
    await record();
    let failures = 1;
    const metrics = createMetrics();
    const lag = async () => Number(/^heauth_seal_lag_seconds(?:\{.*\})? (\S+)$/m.exec(await metrics.text())?.[1]);
    const reads: string[] = [];
    const sealer = new Sealer({
      ...options(),
      anchors: {
        read: async (name) => {
          if (name !== tenant.name) return anchors.read(name);
          reads.push(name);
          if (failures-- > 0) throw new Error("not now");
          return anchors.read(name);
        },
        write: anchors.write.bind(anchors),
      },
      log,
      metrics,
    });
    const { signal } = new AbortController();
    while (await sealer.round(signal));
    expect(reads).toHaveLength(1);
    expect(await lag()).toBeGreaterThan(0);
    while (await sealer.round(signal));
    const visits = reads.length;
    expect(parseCheckpoint((await anchors.read(tenant.name)) ?? "").size).toBe(6);
    await sealer.round(signal);
    expect(reads).toHaveLength(visits);
    expect(await lag()).toBe(0);
  });
});

describe("a log is halted, and says why, by", () => {
  async function halted(finding: string) {
    const before = await rows("SELECT size, root FROM log_head WHERE tenant_id = $1");
    const note = await anchors.read(tenant.name);
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(`^${finding}:`) });
    expect(await rows("SELECT size, root FROM log_head WHERE tenant_id = $1")).toEqual(before);
    expect(await anchors.read(tenant.name)).toBe(note);
    const alerts = await rows("SELECT reason FROM alert WHERE tenant_id = $1");
    expect(alerts).toEqual([{ reason: "LedgerHalted" }]);
    await seal();
    expect(await rows("SELECT count FROM alert WHERE tenant_id = $1")).toEqual([{ count: 1 }]);
  }

  beforeEach(async () => {
    await record();
    await seal();
  });

  test("a segment whose header was changed; it goes on when that is put right", async () => {
    await record();
    await store.superuser.query(
      "UPDATE segment SET signature = set_byte(signature, 3, get_byte(signature, 3) # 1) WHERE tenant_id = $1 AND number = 1",
      [tenant.id],
    );
    await halted("SignatureInvalid");
    await store.superuser.query(
      "UPDATE segment SET signature = set_byte(signature, 3, get_byte(signature, 3) # 1) WHERE tenant_id = $1 AND number = 1",
      [tenant.id],
    );
    expect(await seal()).toMatchObject({ kind: "Sealed", size: 7 });
    expect(await rows("SELECT halted FROM log_head WHERE tenant_id = $1")).toEqual([{ halted: null }]);
  });

  test("a segment that is gone", async () => {
    await record();
    await store.superuser.query("DELETE FROM segment_session WHERE tenant_id = $1 AND number = 1", [tenant.id]);
    await store.superuser.query("DELETE FROM segment WHERE tenant_id = $1 AND number = 1", [tenant.id]);
    await halted("LogEntryMissing");
  });

  test("a segment that was taken out of the queue", async () => {
    await record();
    await record();
    await store.superuser.query("DELETE FROM seal_queue WHERE tenant_id = $1 AND number = 1", [tenant.id]);
    await halted("NumberGap");
  });

  test("a journal that no registrar vouches for", async () => {
    const stranger = testKeys();
    const journal = new TestJournal(tenant.id, stranger.hub);
    await hub.transaction(async (tx) => {
      await journal.register(tx, stranger.hub);
      await insertSegments(tx, tenant.id, journal.id, [journal.seal()]);
    });
    await halted("KeyNotPinned");
  });

  test("a database that was rolled back", async () => {
    const kept = await anchors.read(tenant.name);
    await record();
    await seal();
    const ahead = (await anchors.read(tenant.name)) ?? "";
    await rollBack(6);
    await anchors.write(tenant.name, ahead);
    await record();
    await halted("RolledBack");
    expect(kept).not.toBe(ahead);
  });

  test("a log with another root than the anchor's", async () => {
    await record();
    await seal();
    const ahead = (await anchors.read(tenant.name)) ?? "";
    await rollBack(6);
    await anchors.write(
      tenant.name,
      (await rows<{ note: string }>("SELECT note FROM checkpoint WHERE tenant_id = $1"))[0]?.note ?? "",
    );
    await record();
    await seal();
    await anchors.write(tenant.name, ahead);
    await halted("Forked");
  });

  test("a head that its subtrees do not make", async () => {
    await record();
    const sql = (change: string) =>
      store.superuser.query(`UPDATE log_head SET ${change} WHERE tenant_id = $1`, [tenant.id]);
    await sql("frontier = frontier || frontier");
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^LogRootMismatch:") });
    await sql("frontier = substr(frontier, 1, length(frontier) / 2)");
    await sql("root = sha256(root)");
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^LogRootMismatch:") });
  });

  test("entries behind the anchor that no sealer signed", async () => {
    await record();
    const leaves = await rows<{ leaf: Buffer }>("SELECT leaf FROM log_entry WHERE tenant_id = $1 ORDER BY index");
    const forged = sha256(Buffer.from("mine"));
    const tree = Frontier.empty();
    for (const { leaf } of leaves) tree.append(leaf);
    tree.append(forged);
    await store.superuser.query(
      "INSERT INTO log_entry (tenant_id, epoch, index, kind, number, leaf) VALUES ($1, 0, $2, 'block', 0, $3)",
      [tenant.id, tree.size - 1, forged],
    );
    await store.superuser.query("UPDATE log_head SET size = $2, root = $3, frontier = $4 WHERE tenant_id = $1", [
      tenant.id,
      tree.size,
      tree.root(),
      tree.toBytes(),
    ]);
    await halted("CheckpointMissing");
  });

  test("an entry that stands already where the next one goes", async () => {
    await record();
    await store.superuser.query(
      "INSERT INTO log_entry (tenant_id, epoch, index, kind, number, leaf) VALUES ($1, 0, 6, 'block', 0, sha256('mine'))",
      [tenant.id],
    );
    await halted("Duplicate");
  });

  test.each<[string, string, string]>([
    ["deleted", "DELETE FROM key_change WHERE tenant_id = $1 AND number = 3", "LogEntryMissing"],
    [
      "played back",
      `INSERT INTO key_change SELECT tenant_id, 4, body, signature FROM key_change WHERE tenant_id = $1 AND number = 0`,
      "NotLogged",
    ],
    [
      "exchanged",
      `UPDATE key_change AS one SET body = two.body, signature = two.signature FROM key_change AS two
        WHERE one.tenant_id = $1 AND two.tenant_id = $1 AND one.number = 0 AND two.number = 1`,
      "LogEntryAltered",
    ],
  ])("a key change that was %s", async (_what, change, finding) => {
    await store.superuser.query(change, [tenant.id]);
    await record();
    await halted(finding);
  });

  test("a journal that a retired key vouches for", async () => {
    const inForce = new Set([...keys.pinned.keys()].filter((id) => id !== keys.hub.id));
    const retiring = { keys: { operator: keys.operator, pinned: keys.pinned, inForce } };
    await seal(retiring);
    const journal = new TestJournal(tenant.id, keys.hub);
    await hub.transaction((tx) => journal.register(tx, keys.hub));
    expect(await seal(retiring)).toMatchObject({ kind: "Halted", why: expect.stringMatching("^KeyNotPinned:") });
  });

  test("an anchor that is gone, torn, or signed by another operator", async () => {
    const note = (await anchors.read(tenant.name)) ?? "";
    await rm(anchors.pathOf(tenant.name));
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^AnchorMissing:") });
    await anchors.write(tenant.name, note.slice(0, 40));
    expect(await seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^AnchorInvalid:") });
    await anchors.write(tenant.name, note);
    expect(await seal({ keys: { operator: keys.operator, pinned: testKeys().pinned } })).toMatchObject({
      kind: "Halted",
    });
    await record();
    expect(await seal()).toMatchObject({ kind: "Sealed" });
  });

  /** The log as it was, the newest segment unsealed and gone with it. */
  async function rollBack(size: number): Promise<void> {
    const sql = store.superuser;
    const [leaves] = [await rows<{ leaf: Buffer }>("SELECT leaf FROM log_entry WHERE tenant_id = $1 ORDER BY index")];
    const tree = Frontier.empty();
    for (const { leaf } of leaves.slice(0, size)) tree.append(leaf);
    await sql.query("DELETE FROM log_entry WHERE tenant_id = $1 AND index >= $2", [tenant.id, size]);
    await sql.query("DELETE FROM checkpoint WHERE tenant_id = $1 AND size > $2", [tenant.id, size]);
    await sql.query("UPDATE log_head SET size = $2, root = $3, frontier = $4 WHERE tenant_id = $1", [
      tenant.id,
      size,
      tree.root(),
      tree.toBytes(),
    ]);
    await sql.query("DELETE FROM segment_session WHERE tenant_id = $1 AND number > 0", [tenant.id]);
    await sql.query("DELETE FROM segment WHERE tenant_id = $1 AND number > 0", [tenant.id]);
    const [first] = await rows<{ header: Buffer }>("SELECT header FROM segment WHERE tenant_id = $1");
    await sql.query("UPDATE journal_head SET next_number = 1, next_seq = 2, previous = $2 WHERE tenant_id = $1", [
      tenant.id,
      first && sha256(first.header),
    ]);
  }
});

test("the whole chain, from a login to a closed and amended block, verifies", async () => {
  const session = await insertSession(store.superuser, keys, tenant.id);
  await identity.tenantTransaction(tenant.id, (tx) => writer.append(tx, tenant.id, [openingOf(session)]));
  const journal = new TestJournal(tenant.id, keys.hub);
  const ship = (...drafts: RecordDraft[]) => {
    const segment = journal.seal(...drafts);
    return hub.transaction((tx) => insertSegments(tx, tenant.id, journal.id, [segment]));
  };
  await hub.transaction((tx) => journal.register(tx, keys.hub));
  await ship(decision(session.id), decision(undefined), decision(session.id));
  await seal();
  const logout = { tenantId: tenant.id, sessionIds: [session.id], reason: "Logout" } as const;
  await identity.tenantTransaction(tenant.id, (tx) => revokeSessions(tx, writer, logout));
  const recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
  const onFailure = (_session: object, error: unknown) => {
    throw error;
  };
  const close = () => closeBlocks({ database: operator, recorder, onFailure, amendAfterMs: 0 });
  await close();
  expect(await rows("SELECT number FROM closed_block WHERE tenant_id = $1")).toEqual([]);
  await hub.transaction((tx) => noteWatermark(tx, tenant.id, journal.id, 1));
  await close();
  expect(await rows("SELECT number, actions, reason FROM closed_block WHERE tenant_id = $1")).toEqual([
    { number: 0, actions: 2, reason: "Logout" },
  ]);
  expect(await rows("SELECT session_id FROM active_block WHERE tenant_id = $1")).toEqual([]);
  await ship(decision(session.id, { decision: "Deny", reason: "SessionClosed" }));
  await ship(decision(session.id, { decision: "Deny", reason: "SessionClosed" }), { type: "journal.close" });
  await seal();
  expect(await verify(await anchors.read(tenant.name))).toMatchObject({
    status: "Intact",
    pending: [{ session: session.id, journal: journal.id, count: 2 }],
  });
  await close();
  await close();
  await Promise.all([writer.close(identity), recorder.close(operator)]);
  await seal();
  expect(await verify(await anchors.read(tenant.name))).toMatchObject({
    status: "Intact",
    anchor: "Matched",
    pending: [],
    findings: [],
    counts: { blocks: 1, openSessions: 0, openJournals: 0 },
  });
});
