// A Tenant that is deleted with its data retained, and made again: what is retained is taken over knowingly, and not behind its anchor.
import { CONFIG_MAPS, isClusterError, type KubeObject } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, RELEASE_NAMESPACE, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type Backup, takeBackup } from "./testing/backup.ts";
import { type LedgerCommands, ledgerCommands } from "./testing/ledger-commands.ts";
import { type Logins, loginsOf, Tenancy } from "./testing/tenancy.ts";

const ADOPT = "heauth.io/adopt";
const ANCHORED_WITHIN_MS = 25_000;
const INTACT = expect.stringMatching(/^intact: .* goes on from the anchor\n/);

describeKube("a Tenant that was deleted and is made again", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let tenancy: Tenancy;
  let logins: Logins;
  let ledger: LedgerCommands;
  let backup: Backup | undefined;

  beforeAll(async () => {
    rig = await startOperatorRig({ anchorInterval: "3s" });
    [logins, ledger] = await Promise.all([loginsOf(rig), ledgerCommands(rig)]);
    operator = await rig.startOperator();
    tenancy = new Tenancy(rig, "acme");
    await tenancy.live();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await ledger?.end();
    await rig?.stop();
    await backup?.drop();
  });

  const rows = <Row extends object>(sql: string) => rig.store.superuser.query<Row>(sql);
  const logSize = async () => Number((await rows<{ size: string }>("SELECT size FROM log_head"))[0]?.size);
  const reason = ({ status }: Resource, of: string) => status?.conditions?.find(({ type }) => type === of)?.reason;
  const message = ({ status }: Resource, of: string) => status?.conditions?.find(({ type }) => type === of)?.message;
  const place = () => ({ namespace: RELEASE_NAMESPACE, name: `heauth-anchor-${tenancy.id}` });
  const kept = async () =>
    await rig.api.client
      .get<KubeObject & { data: { checkpoint: string } }>(CONFIG_MAPS, place())
      .then(({ data }) => data.checkpoint)
      .catch((error: unknown) => {
        if (!isClusterError(error, "NotFound")) throw error;
        return undefined;
      });
  const unsealed = async () => (await rows("SELECT FROM seal_queue")).length;
  const sizeIn = (note: string | undefined) => Number(note?.split("\n")[1]);

  async function live(): Promise<void> {
    for (let n = 0; n < 3; n++) {
      await eventually(
        () => logins.open(tenancy.id),
        () => true,
      );
    }
    expect(await eventually(unsealed, (left) => left === 0)).toBe(0);
  }
  /** Deletes the Tenant, and waits until all of the end is sealed. */
  async function end(): Promise<void> {
    await tenancy.removeTenant();
    await tenancy.gone();
    expect(await eventually(unsealed, (left) => left === 0)).toBe(0);
  }
  /** Whether the retained anchor says all that is sealed. */
  const isKept = async () => sizeIn(await kept()) === (await logSize());
  /** An operator does not leave an anchor unwritten that was to be written later: nobody has to wait for it. */
  async function stop(): Promise<void> {
    expect(await operator.stop()).toBe(0);
    expect(await isKept()).toBe(true);
  }
  const make = (adopt?: string) => tenancy.putTenant({}, adopt === undefined ? {} : { [ADOPT]: adopt });

  test("does not get what is retained unless it says so, and says what; then the log goes on from its anchor", async () => {
    await live();
    await end();
    expect(
      await eventually(async () => (await unsealed()) === 0 && (await isKept()), Boolean, ANCHORED_WITHIN_MS),
    ).toBe(true);
    const retained = await kept();
    expect(await rows("SELECT FROM session WHERE closed_at IS NULL")).toEqual([]);
    expect(await ledger.verifyAgainstKube("acme")).toEqual({ code: 0, output: INTACT });

    await make();
    const refused = await rig.until("tenant/acme", (each) => reason(each, "Ready") === "DataRetained");
    expect(message(refused, "Ready")).toContain(`${ADOPT}: ${tenancy.id}`);
    expect([conditionOf(refused, "Ready"), refused.status?.tenantId, refused.status?.ledger]).toEqual([
      "False",
      undefined,
      undefined,
    ]);
    // Its ledger can be read all the same.
    expect(await ledger.verifyAgainstKube("acme")).toEqual({ code: 0, output: INTACT });

    await make("0192aaaa-0000-7000-8000-000000000000");
    const wrong = await rig.until("tenant/acme", (each) => reason(each, "Ready") === "AdoptionMismatch");
    expect([conditionOf(wrong, "Ready"), wrong.status?.ledger, await kept()]).toEqual(["False", undefined, retained]);

    await make(tenancy.id);
    const adopted = await rig.until(
      "tenant/acme",
      (each) => conditionOf(each, "Ready") === "True" && each.status?.ledger !== undefined,
      { withinMs: ANCHORED_WITHIN_MS },
    );
    expect(adopted.status?.tenantId).toBe(tenancy.id);
    expect(adopted.status?.ledger?.size).toBeGreaterThanOrEqual(sizeIn(retained));
    expect(adopted.status?.ledger?.epoch).toBe(0);
    const before = await logSize();
    await live();
    expect(await logSize()).toBeGreaterThan(before);
    expect(await ledger.verifyAgainstKube("acme")).toEqual({ code: 0, output: INTACT });
    // What was there before the deletion is there, and the sessions of then stay closed.
    expect(await rows("SELECT DISTINCT close_reason FROM session ORDER BY 1")).toEqual([
      { close_reason: "TenantDeleted" },
      { close_reason: null },
    ]);
  }, 180_000);

  test("whose database was rolled back in between is found behind its anchor, and can be recovered", async () => {
    backup = await takeBackup(rig.store);
    await live();
    await end();
    await stop();
    const retained = await kept();
    await backup.restore();
    expect(await logSize()).toBeLessThan(sizeIn(retained));

    operator = await rig.startOperator();
    await make(tenancy.id);
    const halted = await rig.until("tenant/acme", (each) => conditionOf(each, "LedgerSealed") === "False", {
      withinMs: ANCHORED_WITHIN_MS,
    });
    expect(message(halted, "LedgerSealed")).toMatch(/^RolledBack: /);
    expect((await ledger.verifyAgainstKube("acme")).code).toBe(1);
    expect(await ledger.recover("acme", "restored while it was deleted")).toEqual({
      code: 0,
      output: expect.stringMatching(/goes on in epoch 1\n$/),
    });
    await rig.until("tenant/acme", (each) => conditionOf(each, "LedgerSealed") === "True");
    // The retained anchor has come into its status a moment ago: the next one would be written an interval later.
    expect(await operator.stop()).toBe(0);
    expect((await rig.get("tenant/acme")).status?.ledger?.epoch).toBe(1);
    operator = await rig.startOperator();
    await live();
    expect(await ledger.verifyAgainstKube("acme")).toEqual({
      code: 0,
      output: expect.stringMatching(/^intact, RECOVERED \(once\): .* goes on from the anchor\n/),
    });
  }, 180_000);

  test("whose retained anchor is gone is not sealed, until somebody says that it may be", async () => {
    await end();
    await stop();
    await rig.api.client.remove(CONFIG_MAPS, place());
    operator = await rig.startOperator();
    await make(tenancy.id);
    const halted = await rig.until("tenant/acme", (each) => conditionOf(each, "LedgerSealed") === "False", {
      withinMs: ANCHORED_WITHIN_MS,
    });
    expect(message(halted, "LedgerSealed")).toMatch(/^AnchorMissing: /);
    expect([conditionOf(halted, "Ready"), halted.status?.ledger]).toEqual(["True", undefined]);
    const size = await logSize();
    expect(await ledger.verifyAgainstKube("acme")).toEqual({
      code: 2,
      output: expect.stringMatching(/has no anchor \(yet\)/),
    });
    // Another restart does not make it go on, nor does what waits.
    await operator.stop("SIGKILL");
    operator = await rig.startOperator();
    await operator.ready();
    await logins.open(tenancy.id);
    await operator.said(({ msg }) => /log is halted/.test(String(msg)));
    expect([await logSize(), (await rig.get("tenant/acme")).status?.ledger]).toEqual([size, undefined]);

    expect(await ledger.recover("acme", "its anchor was deleted by mistake")).toEqual({
      code: 0,
      output: expect.stringMatching(/goes on in epoch 2\n$/),
    });
    const recovered = await rig.until(
      "tenant/acme",
      (each) => conditionOf(each, "LedgerSealed") === "True" && each.status?.ledger?.epoch === 2,
      { withinMs: ANCHORED_WITHIN_MS },
    );
    expect(recovered.status?.ledger?.size).toBeGreaterThan(size);
    expect(await ledger.verifyAgainstKube("acme")).toEqual({
      code: 0,
      output: expect.stringMatching(/^intact, RECOVERED \(2 times\): .* goes on from the anchor\n.*AnchorMissing/s),
    });
  }, 180_000);
});
