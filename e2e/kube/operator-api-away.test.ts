// What an API server that is away costs the operator, and what it does not; and watches that break, hang, or come too late.
import { setTimeout as pause } from "node:timers/promises";
import { TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import type { ApiProxy } from "./index.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type Duty, takeDuty } from "./testing/duty.ts";
import { expectNothingLost } from "./testing/nothing-lost.ts";
import { SOAK } from "./testing/soak.ts";
import { Tenancy } from "./testing/tenancy.ts";

const AWAY_MS = SOAK ? 60_000 : 10_000;
const PAUSED_MS = SOAK ? 60_000 : 8_000;
/** The longest wait between two tries is 10 s, give or take; and then all has to be listed. */
const BACK_WITHIN_MS = 20_000;
const ANCHORED_WITHIN_MS = 45_000;

describeKube("an operator whose API server", () => {
  let rig: OperatorRig;
  let proxy: ApiProxy;
  let operator: ProgramProcess;
  let duty: Duty;
  let count = 0;

  beforeAll(async () => {
    rig = await startOperatorRig({ anchorInterval: "5s" });
    const proxied = await rig.api.proxied();
    proxy = proxied;
    operator = await rig.startOperator({ kubeconfig: await proxied.kubeconfig(rig.account) });
    await operator.ready();
    duty = await takeDuty(rig, "duty");
  }, 2 * API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await duty?.stop();
    await rig?.stop();
  });

  const rows = <Row extends object>(sql: string, ...params: unknown[]) => rig.store.superuser.query<Row>(sql, params);
  const modeOf = async ({ name }: Tenancy) => {
    const [row] = await rows<{ mode: string }>(
      "SELECT convert_from(compiled, 'UTF8')::json #>> '{mode}' AS mode FROM policy WHERE namespace = $1",
      name,
    );
    return row?.mode;
  };
  const isDeleted = async ({ id }: Tenancy) =>
    (await rows<{ deleted: boolean }>("SELECT deleted_at IS NOT NULL AS deleted FROM tenant WHERE id = $1", id))[0]
      ?.deleted;

  /** Tenancies of their own for each test: something is about to happen to each. */
  async function some(...whats: readonly string[]): Promise<Tenancy[]> {
    count += 1;
    const tenancies = whats.map((what) => new Tenancy(rig, `${what}-${count}`));
    await Promise.all(tenancies.map((each) => each.live()));
    return tenancies;
  }

  /** Everything that may happen to resources. What goes without its finalizer goes unseen: only a list can tell. */
  async function change(tenancies: readonly Tenancy[]): Promise<() => Promise<void>> {
    const [changed, without, deleted, robbed] = tenancies as [Tenancy, Tenancy, Tenancy, Tenancy];
    const fresh = new Tenancy(rig, `made-${count}`);
    await changed.putPolicy({ mode: "Shadow" });
    await without.removePolicy();
    await robbed.removePolicy();
    await rig.api.client.patch(TENANTS, { name: robbed.name }, { metadata: { finalizers: [] } });
    await robbed.removeTenant();
    await deleted.removePolicy();
    await deleted.removeTenant();
    await fresh.putTenant();
    await fresh.putPolicy();
    return async () => {
      const seen = async () => [
        await modeOf(changed),
        await modeOf(without),
        await isDeleted(deleted),
        (await deleted.tenant()) === undefined,
        await isDeleted(robbed),
        await modeOf(fresh),
      ];
      const wanted = ["Shadow", undefined, true, true, true, "Enforce"];
      expect(await eventually(seen, (now) => JSON.stringify(now) === JSON.stringify(wanted), BACK_WITHIN_MS)).toEqual(
        wanted,
      );
      await fresh.ready();
    };
  }

  async function expectAnchored(): Promise<void> {
    const size = async () =>
      Number(
        (await rows<{ size: number }>("SELECT size FROM log_head WHERE tenant_id = $1", duty.tenancy.id))[0]?.size,
      );
    const anchored = async () => ((await duty.tenancy.tenant())?.status?.ledger?.size ?? -1) >= (await size());
    expect(await eventually(anchored, (is) => is, ANCHORED_WITHIN_MS)).toBe(true);
  }

  const lag = () => operator.metric("heauth_informer_lag_seconds", { informer: "tenants" });
  const restarts = (reason: string) => operator.metric("heauth_informer_restarts_total", { reason });

  test(
    `is away for ${AWAY_MS / 1000} s: jobs go on, the process stays, and what changes when it is back comes into force`,
    async () => {
      const tenancies = await some("changed", "without", "deleted", "robbed");
      const errors = await restarts("error");
      await rig.api.stopServer();
      const downAt = performance.now();
      const rounds: object[] = [];
      do rounds.push(await duty.work());
      while (performance.now() - downAt < AWAY_MS - 2_000);
      expect(await operator.metric("heauth_leader")).toBe(0);
      expect(await restarts("error")).toBeGreaterThan(errors);
      const lagAway = await lag();
      expect(lagAway).toBeGreaterThan(5);
      expect((await operator.probe("healthz")).status).toBe(200);
      await pause(downAt + AWAY_MS - performance.now());
      await rig.api.startServer();
      const upAt = performance.now();

      const settled = await change(tenancies);
      const changedAt = performance.now();
      const leads = await eventually(
        () => operator.metric("heauth_leader"),
        (leader) => leader === 1,
        BACK_WITHIN_MS,
      );
      const leadsAfter = performance.now() - upAt;
      expect(leads).toBe(1);
      await settled();
      const settledAfter = performance.now() - changedAt;
      expect(await eventually(lag, (seconds) => seconds < lagAway)).toBeLessThan(lagAway);
      await expectAnchored();
      const anchoredAfter = performance.now() - upAt;
      expect(duty.receiver.messages).toHaveLength(new Set(duty.receiver.messages).size);
      expect(duty.receiver.messages).toHaveLength(duty.alerts);
      expect(rig.operators().map(({ pid }) => pid)).toEqual([operator.pid]);
      await expectNothingLost(rig);
      const [first = {}] = rounds;
      console.log(
        `away ${AWAY_MS} ms: ${rounds.length} rounds of work, the first ${JSON.stringify(first)}; back: led after ${Math.round(leadsAfter)} ms, changes in force ${Math.round(settledAfter)} ms after they were made, anchor after ${Math.round(anchoredAfter)} ms`,
      );
    },
    AWAY_MS + 150_000,
  );

  test("breaks every connection, and lets none in while things change", async () => {
    const tenancies = await some("changed", "without", "deleted", "robbed");
    const before = await restarts("cut");
    proxy.refuse();
    const settled = await change(tenancies);
    await pause(1_000);
    proxy.allow();
    const began = performance.now();
    await settled();
    console.log(`after a cut: ${Math.round(performance.now() - began)} ms`);
    expect(await restarts("cut")).toBeGreaterThan(before);
    await expectNothingLost(rig);
  }, 90_000);

  test(`says nothing for ${PAUSED_MS / 1000} s though every connection stands`, async () => {
    const tenancies = await some("changed", "without", "deleted", "robbed");
    rig.api.pause();
    const pausedAt = performance.now();
    try {
      await duty.work();
      expect(
        await eventually(
          () => operator.metric("heauth_leader"),
          (leader) => leader === 0,
        ),
      ).toBe(0);
      await pause(pausedAt + PAUSED_MS - performance.now());
    } finally {
      rig.api.resume();
    }
    const settled = await change(tenancies);
    const began = performance.now();
    await settled();
    console.log(`after a silence: ${Math.round(performance.now() - began)} ms`);
    await expectNothingLost(rig);
  }, 150_000);

  test("has forgotten the version that the watches go on from", async () => {
    const tenancies = await some("changed", "without", "deleted", "robbed");
    const before = await restarts("gone");
    let settled: () => Promise<void>;
    operator.pause();
    try {
      proxy.cut();
      settled = await change(tenancies);
      await rig.api.compactEtcd();
      await rig.api.stopServer();
      await rig.api.startServer();
    } finally {
      operator.resume();
    }
    const began = performance.now();
    await settled();
    console.log(`after a version too old: ${Math.round(performance.now() - began)} ms`);
    expect(await restarts("gone")).toBeGreaterThan(before);
    await expectNothingLost(rig);
  }, 180_000);

  test("was all that at the same process, which says nothing of its tenants but what is so", async () => {
    expect(rig.operators().map(({ pid }) => pid)).toEqual([operator.pid]);
    const tenant = (await duty.tenancy.tenant()) as Resource;
    for (const type of ["Ready", "LedgerSealed", "AlertsDelivering"]) expect(conditionOf(tenant, type)).toBe("True");
    const bad = operator.log.filter(({ level }) => level === "error" || level === "fatal");
    expect(bad).toEqual([]);
  });
});
