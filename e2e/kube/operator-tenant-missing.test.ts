// A database that was restored to before a tenant existed: nothing is made anew in its place, and what was lost goes on record.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type Backup, takeBackup } from "./testing/backup.ts";
import { type LedgerCommands, ledgerCommands } from "./testing/ledger-commands.ts";
import { Tenancy } from "./testing/tenancy.ts";

/** Anchors are written every 30 s at most. */
const ANCHORED_WITHIN_MS = 45_000;

describeKube("a database that was restored to before a tenant existed", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let tenancy: Tenancy;
  let ledger: LedgerCommands;
  let backup: Backup;

  beforeAll(async () => {
    rig = await startOperatorRig();
    ledger = await ledgerCommands(rig);
    backup = await takeBackup(rig.store);
    operator = await rig.startOperator();
    await operator.ready();
    tenancy = new Tenancy(rig, "acme");
    await tenancy.live();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await ledger?.end();
    await rig?.stop();
    await backup?.drop();
  });

  const acme = () => rig.get("tenant/acme");
  const condition = ({ status }: Resource, type: string) => status?.conditions?.find((each) => each.type === type);
  const tenants = () => rig.store.superuser.query<{ id: string }>("SELECT id FROM tenant");

  test("the Tenant says so, and keeps its id and its anchor", async () => {
    const queued = async () => (await rig.store.superuser.query("SELECT FROM seal_queue")).length;
    expect(await eventually(queued, (count) => count === 0)).toBe(0);
    // At its end it writes the newest anchor.
    expect(await operator.stop()).toBe(0);
    const before = await acme();
    expect(before.status?.ledger?.size).toBeGreaterThan(0);
    await backup.restore();
    operator = await rig.startOperator();
    const found = await rig.until("tenant/acme", (each) => condition(each, "Ready")?.status === "False");
    expect(condition(found, "Ready")).toMatchObject({
      reason: "DataMissing",
      message: expect.stringContaining(`heauth.io/adopt: ${tenancy.id}`),
    });
    expect(found.status).toMatchObject({ tenantId: tenancy.id, ledger: { note: before.status?.ledger?.note } });
    expect(await tenants()).toEqual([]);
    expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
  }, 120_000);

  test(
    "annotated, it begins anew as who it was, and its log goes on when a person says so",
    async () => {
      await rig.kubectl("annotate", "tenant", "acme", `heauth.io/adopt=${tenancy.id}`);
      const halted = await rig.until("tenant/acme", (each) => condition(each, "LedgerSealed")?.status === "False");
      expect(condition(halted, "Ready")).toMatchObject({ status: "True" });
      expect(condition(halted, "LedgerSealed")?.message).toMatch(/^RolledBack: the anchor has \d+ entries, the log 0/);
      expect(await tenants()).toEqual([{ id: tenancy.id }]);
      const { code, output } = await ledger.recover("acme", "restored too old a backup");
      expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/goes on in epoch 1\n$/) });
      await rig.until("tenant/acme", ({ status }) => status?.ledger?.epoch === 1, { withinMs: ANCHORED_WITHIN_MS });
      const verdict = await eventually(
        () => ledger.verifyAgainstKube("acme"),
        (last) => last.code === 0,
      );
      expect(verdict).toMatchObject({ code: 0, output: expect.stringContaining("restored too old a backup") });
    },
    2 * ANCHORED_WITHIN_MS,
  );
});
