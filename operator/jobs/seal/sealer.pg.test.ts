import { parseCheckpoint } from "@heauth/core/ledger";
import { createLogs, createMetrics, type Logger } from "@heauth/program";
import { StoreError } from "@heauth/store";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { OperatorError } from "../../errors.ts";
import { MemoryAnchors } from "../../testing/memory-anchors.ts";
import { type SealedTenant, SealRig } from "../../testing/seal-rig.ts";
import { Sealer } from "./sealer.ts";

const { log } = createLogs({ program: "test", level: "silent" });
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

describe("by rounds, the sealer", () => {
  /** A sealer whose first reading of the tenant's anchor fails. */
  function failingAtFirst() {
    let failures = 1;
    const metrics = createMetrics();
    const lag = async () => Number(/^heauth_seal_lag_seconds(?:\{.*\})? (\S+)$/m.exec(await metrics.text())?.[1]);
    const reads: string[] = [];
    const sealer = new Sealer({
      ...tenant.options,
      anchors: {
        read: async ({ id, name }) => {
          if (id !== tenant.id) return tenant.anchors.read({ name });
          reads.push(name);
          if (failures-- > 0) throw new Error("not now");
          return tenant.anchors.read({ name });
        },
        write: tenant.anchors.write.bind(tenant.anchors),
      },
      log,
      metrics,
    });
    return { sealer, reads, lag, signal: new AbortController().signal };
  }

  test("visits a tenant again after a failure, and idle ones not at all", async () => {
    await tenant.record();
    const { sealer, reads, lag, signal } = failingAtFirst();
    while (await sealer.round(signal));
    expect(reads).toHaveLength(1);
    expect(await lag()).toBeGreaterThan(0);
    while (await sealer.round(signal));
    const visits = reads.length;
    expect(parseCheckpoint((await tenant.anchor()) ?? "").size).toBe(6);
    await sealer.round(signal);
    expect(reads).toHaveLength(visits);
    expect(await lag()).toBe(0);
  });

  test("visits a few tenants at a time, each once", async () => {
    const others = await Promise.all(Array.from({ length: 7 }, () => rig.tenant()));
    const all = [tenant, ...others];
    for (const each of all) await each.record();
    const anchors = new MemoryAnchors();
    const reads: string[] = [];
    let [now, most] = [0, 0];
    const sealer = new Sealer({
      ...tenant.options,
      anchors: {
        async read(of) {
          reads.push(of.id);
          most = Math.max(most, ++now);
          await new Promise((resolve) => setImmediate(resolve));
          now--;
          return await anchors.read(of);
        },
        write: (of, note) => anchors.write(of, note),
      },
      log,
      metrics: createMetrics(),
    });
    const { signal } = new AbortController();
    expect(await sealer.round(signal)).toBe(true);
    for (const { id } of all) expect(reads.filter((read) => read === id)).toHaveLength(1);
    expect(most).toBe(4);
    while (await sealer.round(signal));
    for (const { id } of all) expect(parseCheckpoint(anchors.notes.get(id) ?? "").size).toBe(6);
    for (const each of others) await each.end();
  });

  test("forgets a tenant that was to be visited again, and has been deleted", async () => {
    await tenant.record();
    const { sealer, reads, lag, signal } = failingAtFirst();
    while (await sealer.round(signal));
    expect(await lag()).toBeGreaterThan(0);
    await tenant.sql("UPDATE tenant SET deleted_at = now(), reclaim_policy = 'Delete' WHERE id = $1");
    await tenant.sql("SELECT heauth.drop_tenant($1, 10000)");
    for (let n = 0; n < 3; n++) await sealer.round(signal);
    expect([reads.length, await lag()]).toEqual([2, 0]);
  });

  test("finds a database that was rolled back where nothing waits, when it is to look at all", async () => {
    await tenant.record();
    await tenant.record();
    const halted: string[] = [];
    const sealer = new Sealer({
      ...tenant.options,
      // Other tests' tenants have lost their anchors.
      onHaltChange: ({ id }) => id === tenant.id && halted.push(id),
      log,
      metrics: createMetrics(),
    });
    const { signal } = new AbortController();
    while (await sealer.round(signal));
    await tenant.rollBack(6);
    await sealer.round(signal);
    expect(halted).toEqual([]);
    sealer.lookAtAll();
    await sealer.round(signal);
    expect(halted).toEqual([tenant.id]);
    expect(await tenant.sql("SELECT halted FROM log_head WHERE tenant_id = $1")).toEqual([
      { halted: expect.stringMatching(/^RolledBack: /) },
    ]);
  });
});

describe("while anchors can't be read", () => {
  test("logs that were never proved wait, without an alert and with one word; others are sealed; all go on when they can", async () => {
    const other = await rig.tenant();
    await Promise.all([tenant.record(), other.record()]);
    const said: string[] = [];
    const heard = (_fields: object, message: string) => message.includes("anchors") && said.push(message);
    const away = new Set<string>();
    const asked: string[] = [];
    const sealer = new Sealer({
      ...tenant.options,
      anchors: {
        async read({ name }) {
          asked.push(name);
          if (away.has(name)) throw new OperatorError("AnchorUnavailable", "the API server can't be reached");
          return name === tenant.name ? tenant.anchors.read(tenant) : other.anchors.read(other);
        },
        write: (of, note) => (of.name === tenant.name ? tenant : other).anchors.write(of, note),
      },
      log: { ...log, error: heard, warn: heard, info: () => {} } as unknown as Logger,
      metrics: createMetrics(),
    });
    const { signal } = new AbortController();
    const sizes = async () =>
      Promise.all(
        [tenant, other].map(async (of) => (await of.sql("SELECT size FROM log_head WHERE tenant_id = $1"))[0]),
      );
    away.add(other.name);
    for (let n = 0; n < 4; n++) {
      await tenant.record();
      await sealer.round(signal);
    }
    expect(await sizes()).toEqual([{ size: 10 }, undefined]);
    expect(said).toEqual([expect.stringContaining("anchors can't be read")]);
    expect(asked.filter((name) => name === other.name).length).toBeLessThanOrEqual(2);
    expect(await other.sql("SELECT reason FROM alert WHERE tenant_id = $1")).toEqual([]);
    away.clear();
    while ((await sizes())[1] === undefined) await sealer.round(signal);
    expect(said).toHaveLength(1);
    await other.end();
  });

  test("a database that is away ends the round", async () => {
    const others = await Promise.all(Array.from({ length: 5 }, () => rig.tenant()));
    for (const each of [tenant, ...others]) await each.record();
    let tried = 0;
    const sealer = new Sealer({
      ...tenant.options,
      database: {
        ...rig.operator,
        tenantTransaction: async () => {
          tried++;
          throw new StoreError("StoreUnavailable", "away");
        },
      },
      log,
      metrics: createMetrics(),
    });
    await expect(sealer.round(new AbortController().signal)).rejects.toMatchObject({ code: "StoreUnavailable" });
    expect(tried).toBeLessThanOrEqual(4);
    for (const each of others) await each.end();
  });
});
