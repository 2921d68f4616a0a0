import { rm } from "node:fs/promises";
import { Frontier, sha256 } from "@heauth/core/ledger";
import { insertSegments } from "@heauth/store";
import { TestJournal, testKeys } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";

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

describe("a log is halted, and says why, by", () => {
  async function halted(finding: string) {
    const before = await tenant.sql("SELECT size, root FROM log_head WHERE tenant_id = $1");
    const note = await tenant.anchor();
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(`^${finding}:`) });
    expect(await tenant.sql("SELECT size, root FROM log_head WHERE tenant_id = $1")).toEqual(before);
    expect(await tenant.anchor()).toBe(note);
    const alerts = await tenant.sql("SELECT reason FROM alert WHERE tenant_id = $1");
    expect(alerts).toEqual([{ reason: "LedgerHalted" }]);
    await tenant.seal();
    expect(await tenant.sql("SELECT count FROM alert WHERE tenant_id = $1")).toEqual([{ count: 1 }]);
  }

  beforeEach(async () => {
    await tenant.record();
    await tenant.seal();
  });

  test("a segment whose header was changed; it goes on when that is put right", async () => {
    await tenant.record();
    await tenant.sql(
      "UPDATE segment SET signature = set_byte(signature, 3, get_byte(signature, 3) # 1) WHERE tenant_id = $1 AND number = 1",
    );
    await halted("SignatureInvalid");
    await tenant.sql(
      "UPDATE segment SET signature = set_byte(signature, 3, get_byte(signature, 3) # 1) WHERE tenant_id = $1 AND number = 1",
    );
    expect(await tenant.seal()).toMatchObject({ kind: "Sealed", size: 7 });
    expect(await tenant.sql("SELECT halted FROM log_head WHERE tenant_id = $1")).toEqual([{ halted: null }]);
  });

  test("a segment that is gone", async () => {
    await tenant.record();
    await tenant.sql("DELETE FROM segment_session WHERE tenant_id = $1 AND number = 1");
    await tenant.sql("DELETE FROM segment WHERE tenant_id = $1 AND number = 1");
    await halted("LogEntryMissing");
  });

  test("a segment that was taken out of the queue", async () => {
    await tenant.record();
    await tenant.record();
    await tenant.sql("DELETE FROM seal_queue WHERE tenant_id = $1 AND number = 1");
    await halted("NumberGap");
  });

  test("a journal that no registrar vouches for", async () => {
    const stranger = testKeys();
    const journal = new TestJournal(tenant.id, stranger.hub);
    await rig.hub.transaction(async (tx) => {
      await journal.register(tx, stranger.hub);
      await insertSegments(tx, tenant.id, journal.id, [journal.seal()]);
    });
    await halted("KeyNotPinned");
  });

  test("a database that was rolled back", async () => {
    const kept = await tenant.anchor();
    await tenant.record();
    await tenant.seal();
    const ahead = (await tenant.anchor()) ?? "";
    await tenant.rollBack(6);
    await tenant.anchors.write(tenant, ahead);
    await tenant.record();
    await halted("RolledBack");
    expect(kept).not.toBe(ahead);
  });

  test("a log with another root than the anchor's", async () => {
    await tenant.record();
    await tenant.seal();
    const ahead = (await tenant.anchor()) ?? "";
    await tenant.rollBack(6);
    await tenant.anchors.write(
      tenant,
      (await tenant.sql<{ note: string }>("SELECT note FROM checkpoint WHERE tenant_id = $1"))[0]?.note ?? "",
    );
    await tenant.record();
    await tenant.seal();
    await tenant.anchors.write(tenant, ahead);
    await halted("Forked");
  });

  test("a head that its subtrees do not make", async () => {
    await tenant.record();
    const sql = (change: string) => tenant.sql(`UPDATE log_head SET ${change} WHERE tenant_id = $1`);
    await sql("frontier = frontier || frontier");
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^LogRootMismatch:") });
    await sql("frontier = substr(frontier, 1, length(frontier) / 2)");
    await sql("root = sha256(root)");
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^LogRootMismatch:") });
  });

  test("entries behind the anchor that no sealer signed", async () => {
    await tenant.record();
    const leaves = await tenant.sql<{ leaf: Buffer }>("SELECT leaf FROM log_entry WHERE tenant_id = $1 ORDER BY index");
    const forged = sha256(Buffer.from("mine"));
    const tree = Frontier.empty();
    for (const { leaf } of leaves) tree.append(leaf);
    tree.append(forged);
    await tenant.sql(
      "INSERT INTO log_entry (tenant_id, epoch, index, kind, number, leaf) VALUES ($1, 0, $2, 'block', 0, $3)",
      tree.size - 1,
      forged,
    );
    await tenant.sql(
      "UPDATE log_head SET size = $2, root = $3, frontier = $4 WHERE tenant_id = $1",
      tree.size,
      tree.root(),
      tree.toBytes(),
    );
    await halted("CheckpointMissing");
  });

  test("an entry that stands already where the next one goes", async () => {
    await tenant.record();
    await tenant.sql(
      "INSERT INTO log_entry (tenant_id, epoch, index, kind, number, leaf) VALUES ($1, 0, 6, 'block', 0, sha256('mine'))",
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
    await tenant.sql(change);
    await tenant.record();
    await halted(finding);
  });

  test("a journal that a retired key vouches for", async () => {
    const inForce = new Set([...rig.keys.pinned.keys()].filter((id) => id !== rig.keys.hub.id));
    const retiring = { keys: { operator: rig.keys.operator, pinned: rig.keys.pinned, inForce } };
    await tenant.seal(retiring);
    const journal = new TestJournal(tenant.id, rig.keys.hub);
    await rig.hub.transaction((tx) => journal.register(tx, rig.keys.hub));
    expect(await tenant.seal(retiring)).toMatchObject({ kind: "Halted", why: expect.stringMatching("^KeyNotPinned:") });
  });

  test("an anchor that is gone, torn, or signed by another operator", async () => {
    const note = (await tenant.anchor()) ?? "";
    await rm(tenant.anchors.pathOf(tenant.name));
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^AnchorMissing:") });
    await tenant.anchors.write(tenant, note.slice(0, 40));
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching("^AnchorInvalid:") });
    await tenant.anchors.write(tenant, note);
    expect(await tenant.seal({ keys: { operator: rig.keys.operator, pinned: testKeys().pinned } })).toMatchObject({
      kind: "Halted",
    });
    await tenant.record();
    expect(await tenant.seal()).toMatchObject({ kind: "Sealed" });
  });
});
