import { readFile } from "node:fs/promises";
import { AUTH_POLICIES, type KubeObject, type ResourceType, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { policyObject, tenantObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, type Resource, startOperatorRig, UNHURRIED_LEASE } from "./operator-rig.ts";
import { footprint, writtenTables } from "./testing/footprint.ts";
import { auditedSoFar, countCalls, isIdleCall, operatorCalls } from "./testing/operator-calls.ts";
import { SOAK } from "./testing/soak.ts";

/** The fewer are enough to tell what grows with the square of it. */
const TENANT_COUNT = SOAK ? 1_000 : 100;
const POLICY_COUNT = 2 * TENANT_COUNT;
const WITHIN_MS = SOAK ? 600_000 : 120_000;
const AT_ONCE = 32;

describeKube(`heauth operator with ${TENANT_COUNT} tenants and ${POLICY_COUNT} policies`, () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  beforeAll(async () => {
    rig = await startOperatorRig({ anchorInterval: "10s", lease: UNHURRIED_LEASE });
    operator = await rig.startOperator();
    await operator.ready();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  const reconciles = () => operator.metric("heauth_reconciles_total");
  const count = async (sql: string) => (await rig.store.superuser.query(sql)).length;
  /** Of the operator's process, the most that it ever had, in MiB. */
  async function peakMiB(): Promise<number> {
    const status = await readFile(`/proc/${operator.pid}/status`, "utf8");
    return Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
  }
  async function unready(type: ResourceType, condition: string): Promise<number> {
    const { items } = await rig.api.client.list<KubeObject>(type, {});
    return items.filter((item) => conditionOf(item as unknown as Resource, condition) !== "True").length;
  }
  async function settled(): Promise<void> {
    const left = async () => [
      await operator.metric("heauth_queue_depth"),
      await operator.metric("heauth_anchors_unwritten"),
      await count("SELECT FROM seal_queue"),
    ];
    expect(await eventually(left, (each) => each.every((one) => one === 0), WITHIN_MS)).toEqual([0, 0, 0]);
  }

  test(
    "takes all of them up, applied at once and in any order, each a few times at most",
    async () => {
      // Policies of tenants that are not there yet, tenants whose policies wait, and all between.
      const todo = Array.from({ length: TENANT_COUNT }, (_, n) => [
        () => rig.api.client.create(AUTH_POLICIES, policyObject("default", `a${n}`, { tenantRef: { name: `t${n}` } })),
        () => rig.api.client.create(TENANTS, tenantObject(`t${n}`)),
        () => rig.api.client.create(AUTH_POLICIES, policyObject("default", `b${n}`, { tenantRef: { name: `t${n}` } })),
      ]).flat();
      const work = async () => {
        for (let next = todo.pop(); next !== undefined; next = todo.pop()) await next();
      };
      const began = performance.now();
      const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      const applied = seconds();
      const stored = async () => [await count("SELECT FROM tenant"), await count("SELECT FROM policy")];
      const all = [TENANT_COUNT, POLICY_COUNT];
      expect(await eventually(stored, (now) => String(now) === String(all), WITHIN_MS)).toEqual(all);
      const inForce = seconds();
      for (const [type, condition] of [
        [TENANTS, "Ready"],
        [AUTH_POLICIES, "Enforced"],
      ] as const) {
        expect(
          await eventually(
            () => unready(type, condition),
            (left) => left === 0,
            WITHIN_MS,
          ),
        ).toBe(0);
      }
      const reported = seconds();
      await settled();
      console.info(
        `${all.join(" tenants and ")} policies: applied after ${applied} s, in force after ${inForce} s, with their status after ` +
          `${reported} s, sealed and anchored after ${seconds()} s; ${await reconciles()} reconciles, at most ${await peakMiB()} MiB`,
      );
      expect(await reconciles()).toBeLessThan(4 * (TENANT_COUNT + POLICY_COUNT));
      expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
      expect(await count("SELECT FROM log_head WHERE size > 0")).toBe(TENANT_COUNT);
      expect(
        (await rig.api.client.list(TENANTS, {})).items.filter((each) => (each as Resource).status?.ledger),
      ).toHaveLength(TENANT_COUNT);
    },
    2 * WITHIN_MS,
  );

  test("a tenant that changes concerns its own policies and no others", async () => {
    const before = await reconciles();
    const settings = async () =>
      (
        await rig.store.superuser.query<{ text: string }>("SELECT settings::text AS text FROM tenant WHERE name = 't7'")
      )[0]?.text;
    const written = await settings();
    await rig.api.client.patch(TENANTS, { name: "t7" }, { spec: { sessions: { idleTimeout: "5m" } } });
    expect(await eventually(settings, (text) => text !== written)).not.toBe(written);
    // The Tenant, once more for its generation, and its two policies.
    const least = before + 3;
    expect(await eventually(reconciles, (now) => now >= least, 30_000)).toBeGreaterThanOrEqual(least);
    const after = await eventually(reconciles, () => false, 2_000);
    expect(after - before).toBeLessThan(10);
  }, 60_000);

  test(
    "begins again without writing anything but its term of office",
    async () => {
      // What the first one recorded at its end, the second one seals; what it had not anchored yet, it anchors at its end.
      for (const next of ["to seal what was left", "to be measured"]) {
        if (next === "to be measured" || SOAK) await settled();
        expect(await operator.stop()).toBe(0);
        const [from, rows] = [await auditedSoFar(rig), await footprint(rig.store)];
        const began = performance.now();
        operator = await rig.startOperator();
        await operator.said(({ msg }) => msg === "everything has been reconciled once");
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        if (next !== "to be measured") continue;
        // Every log is held against its anchor, too.
        const proven = () => operator.metric("heauth_log_size");
        const sizes = await rig.store.superuser.query<{ sum: string }>("SELECT sum(size)::text AS sum FROM log_head");
        const whole = Number(sizes[0]?.sum);
        expect(await eventually(proven, (size) => size === whole, WITHIN_MS)).toBe(whole);
        await settled();
        const calls = (await operatorCalls(rig, from)).filter((call) => !isIdleCall(call));
        const done = `${await reconciles()} reconciles, at most ${await peakMiB()} MiB, ${JSON.stringify(countCalls(calls))}`;
        console.info(`a restart: all reconciled after ${seconds} s; ${done}`);
        expect(calls.filter(({ verb }) => verb !== "list" && verb !== "get")).toEqual([]);
        expect(writtenTables(rows, await footprint(rig.store))).toEqual(["term"]);
        expect(await reconciles()).toBe(TENANT_COUNT + POLICY_COUNT);
      }
      expect(await operator.stop()).toBe(0);
    },
    2 * WITHIN_MS,
  );
});
