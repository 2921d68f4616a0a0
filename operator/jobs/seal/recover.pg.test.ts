import { rm } from "node:fs/promises";
import { parseCheckpoint, type Recovery } from "@heauth/core/ledger";
import { LedgerWriter } from "@heauth/store";
import { testKeys } from "@heauth/store/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type AskHow, type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { ProofMemory } from "./proof-memory.ts";
import { recoveryNeed } from "./recovery-need.ts";

let rig: SealRig;
let tenant: SealedTenant;
let ahead: string;

beforeAll(async () => {
  rig = await SealRig.open();
});
afterAll(() => rig.drop());
beforeEach(async () => {
  tenant = await rig.tenant();
  await tenant.record();
  await tenant.seal();
  for (let n = 0; n < 3; n++) {
    await tenant.record();
    await tenant.seal();
  }
  ahead = (await tenant.anchor()) ?? "";
});
afterEach(() => tenant.end());

const ask = (changed?: Partial<Recovery>, how?: AskHow) => tenant.askForRecovery(changed, how);

describe("a log that was rolled back", () => {
  beforeEach(async () => {
    await tenant.rollBack(7);
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^RolledBack:/) });
  });

  test("goes on in a new epoch when somebody who may says so, and verifies against either anchor", async () => {
    await ask();
    expect(await tenant.seal()).toEqual({ kind: "Unchanged", size: 8 });
    expect(parseCheckpoint((await tenant.anchor()) ?? "")).toMatchObject({ epoch: 1, size: 8 });
    await tenant.record();
    expect(await tenant.seal()).toMatchObject({ kind: "Sealed", size: 9 });
    const told = { epoch: 1, lost: 2, size: 7, anchorSize: 9, reason: "restored", finding: "RolledBack" };
    const verdict = await tenant.verify(await tenant.anchor());
    expect(verdict).toMatchObject({ status: "Intact", anchor: "Matched", recoveries: [told] });
    expect(await tenant.verify(ahead)).toMatchObject({ status: "Intact", anchor: "Recovered" });
    expect(await tenant.sql("SELECT halted FROM log_head WHERE tenant_id = $1")).toEqual([{ halted: null }]);
    const alerts = await tenant.sql<{ reason: string; details: { finding: string } }>(
      "SELECT reason, details FROM alert WHERE tenant_id = $1 ORDER BY id",
    );
    expect(alerts.map(({ reason }) => reason)).toEqual(["LedgerHalted", "LedgerRecovered"]);
    expect(alerts[1]?.details.finding).toMatch(
      /^RolledBack: epoch 1 goes on from 7 entries.* 2 entries lost: restored$/,
    );
    expect(
      await tenant.sql("SELECT epoch, entries_lost, reason, signer FROM audit_recovery WHERE tenant_id = $1"),
    ).toEqual([{ epoch: 1, entries_lost: 2, reason: "restored", signer: rig.keys.cli.id }]);
  });

  test("goes on though the new epoch's anchor could not be written at once", async () => {
    await ask();
    const failing = {
      read: tenant.anchors.read.bind(tenant.anchors),
      write: () => Promise.reject(new Error("disk full")),
    };
    await expect(tenant.seal({ anchors: failing })).rejects.toThrow("disk full");
    expect(await tenant.anchor()).toBe(ahead);
    await tenant.record();
    expect(await tenant.seal()).toMatchObject({ kind: "Sealed", size: 9 });
    expect(parseCheckpoint((await tenant.anchor()) ?? "")).toMatchObject({ epoch: 1, size: 9 });
  });

  test("goes on in the same run of the sealer, which has signed more than there is", async () => {
    const memory = new ProofMemory();
    const said = parseCheckpoint(ahead);
    memory.proved(tenant.id, { anchor: said, head: said, next: said });
    expect(await tenant.seal({ memory })).toMatchObject({ kind: "Halted" });
    await ask();
    await tenant.record();
    expect(await tenant.seal({ memory })).toMatchObject({ kind: "Sealed", size: 9 });
  });

  test("goes on once: another rollback, to before it or after it, needs another recovery", async () => {
    await ask();
    await tenant.seal();
    await tenant.record();
    await tenant.seal();
    await tenant.rollBack(8);
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^RolledBack:/) });
    await ask();
    expect(await tenant.seal()).toEqual({ kind: "Unchanged", size: 9 });
    expect(parseCheckpoint((await tenant.anchor()) ?? "")).toMatchObject({ epoch: 2, size: 9 });
    expect(await tenant.verify(await tenant.anchor())).toMatchObject({
      status: "Intact",
      recoveries: [{ epoch: 1 }, { epoch: 2 }],
    });
  });

  const head = { epoch: 0, size: 6, root: Buffer.alloc(32).toString("base64url") };
  test.each<[string, () => [Partial<Recovery>, AskHow?]]>([
    ["another log", () => [{ log: head }]],
    ["another tenant's log", () => [{ tenant: "0192f000-0000-4000-8000-000000000000" }, { concealed: true }]],
    ["this log, which conceals the anchor", () => [{}, { concealed: true }]],
    ["this log, but signed by the hub", () => [{}, { by: rig.keys.hub }]],
    ["this log, but signed by a stranger", () => [{}, { by: testKeys().cli }]],
  ])("stays halted by a recovery for %s", async (_what, request) => {
    await ask(...request());
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^RolledBack:/) });
    expect(await tenant.anchor()).toBe(ahead);
  });

  test("stays halted by a recovery that a retired key signed", async () => {
    const inForce = new Set([...rig.keys.pinned.keys()].filter((id) => id !== rig.keys.cli.id));
    await ask();
    const keys = { operator: rig.keys.operator, pinned: rig.keys.pinned, inForce };
    expect(await tenant.seal({ keys })).toMatchObject({ kind: "Halted" });
  });

  test("and lost entries of its own is not recovered", async () => {
    await ask();
    await tenant.sql("DELETE FROM log_entry WHERE tenant_id = $1 AND index = 3");
    expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^LogEntryMissing:/) });
  });
});

test("a log without its anchor goes on by a recovery that says there was none", async () => {
  await rm(tenant.anchors.pathOf(tenant.name));
  expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^AnchorMissing:/) });
  await ask();
  expect(await tenant.seal()).toEqual({ kind: "Unchanged", size: 10 });
  expect(await tenant.verify(await tenant.anchor())).toMatchObject({
    status: "Intact",
    recoveries: [{ lost: undefined }],
  });
  await rm(tenant.anchors.pathOf(tenant.name));
  expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^AnchorMissing:/) });
});

test("a tenant that was begun anew under its id goes on from nothing, with all that was lost on record", async () => {
  const [row] = await tenant.sql<{ settings: object }>("SELECT settings FROM tenant WHERE id = $1");
  await tenant.sql("UPDATE tenant SET deleted_at = now(), reclaim_policy = 'Delete' WHERE id = $1");
  await tenant.sql("SELECT heauth.drop_tenant($1, 10000)");
  const again = "INSERT INTO tenant (id, name, managed_by, settings) VALUES ($1, $2, 'Resource', $3)";
  await tenant.sql(again, tenant.name, JSON.stringify(row?.settings));
  await tenant.sql("INSERT INTO outbox_head (tenant_id, seq) VALUES ($1, 0)");
  const writer = new LedgerWriter({ program: "identity", programKey: rig.keys.identity });
  await rig.identity.tenantTransaction(tenant.id, (tx) =>
    writer.append(tx, tenant.id, [{ type: "identity.user-created" }]),
  );
  expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^RolledBack:/) });
  await ask();
  expect(await tenant.seal()).toMatchObject({ kind: "Sealed" });
  for (const anchor of [ahead, await tenant.anchor()]) {
    expect(await tenant.verify(anchor)).toMatchObject({
      status: "Intact",
      recoveries: [{ epoch: 1, size: 0, lost: 9 }],
    });
  }
});

test("a log with another history than its anchor's goes on by a recovery that says so", async () => {
  await tenant.rollBack(6);
  await tenant.anchors.write(
    tenant,
    (await tenant.sql<{ note: string }>("SELECT note FROM checkpoint WHERE tenant_id = $1"))[0]?.note ?? "",
  );
  for (let n = 0; n < 4; n++) await tenant.record();
  await tenant.seal();
  await tenant.anchors.write(tenant, ahead);
  expect(await tenant.seal()).toMatchObject({ kind: "Halted", why: expect.stringMatching(/^Forked:/) });
  await ask();
  expect(await tenant.seal()).toMatchObject({ kind: "Unchanged" });
  expect(await tenant.verify(ahead)).toMatchObject({
    status: "Intact",
    anchor: "Recovered",
    recoveries: [{ finding: "Forked" }],
  });
});

test("an intact log needs none, and a damaged one is told apart", async () => {
  const need = () =>
    rig.operator.read(async (tx) => recoveryNeed(tx, tenant.id, await tenant.anchor(), rig.keys.pinned));
  expect(await need()).toEqual({ kind: "None" });
  await tenant.rollBack(7);
  expect(await need()).toMatchObject({ kind: "Needed", finding: "RolledBack" });
  await tenant.sql("UPDATE log_head SET root = sha256(root) WHERE tenant_id = $1");
  expect(await need()).toMatchObject({ kind: "Damaged", why: expect.stringMatching(/^LogRootMismatch/) });
});
