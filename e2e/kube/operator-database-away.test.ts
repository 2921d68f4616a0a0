// What a PostgreSQL that is away costs the operator: time, and nothing else.
import { TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type Duty, takeDuty } from "./testing/duty.ts";
import { expectNothingLost } from "./testing/nothing-lost.ts";
import { type OwnPostgres, startOwnPostgres } from "./testing/own-postgres.ts";
import { SOAK } from "./testing/soak.ts";
import { Tenancy } from "./testing/tenancy.ts";

const STOPPED_MS = SOAK ? 60_000 : 10_000;
const HUNG_MS = SOAK ? 30_000 : 8_000;
/** Waits between tries are 5 s at most, and a statement that hangs is given up after 12 s. */
const BACK_WITHIN_MS = 25_000;

describeKube("an operator whose PostgreSQL", () => {
  let postgres: OwnPostgres;
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let duty: Duty;

  beforeAll(async () => {
    postgres = await startOwnPostgres();
    rig = await startOperatorRig({ server: postgres });
    operator = await rig.startOperator();
    await operator.ready();
    duty = await takeDuty(rig, "duty");
    await duty.work();
  }, 2 * API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await duty?.stop();
    await rig?.stop();
    await postgres?.stop();
  });

  const rows = <Row extends object>(sql: string, ...params: unknown[]) => rig.store.superuser.query<Row>(sql, params);
  const modes = async () => {
    const found = await rows<{ name: string; mode: string }>(
      "SELECT namespace AS name, convert_from(compiled, 'UTF8')::json #>> '{mode}' AS mode FROM policy",
    );
    return Object.fromEntries(found.map(({ name, mode }) => [name, mode]));
  };

  test.each<[string, string, () => OwnPostgres["stoppedFor"], number]>([
    ["is stopped", "stopped", () => postgres.stoppedFor, STOPPED_MS],
    ["hangs", "hung", () => postgres.hungFor, HUNG_MS],
  ])(
    "%s: what changes meanwhile is in force when it is back, by the same process",
    async (_, letter, away, ms) => {
      const [changed, without, deleted] = [1, 2, 3].map((n) => new Tenancy(rig, `${letter}-${n}`)) as [
        Tenancy,
        Tenancy,
        Tenancy,
      ];
      const fresh = new Tenancy(rig, `${letter}-4`);
      for (const each of [changed, without, deleted]) await each.live();
      await away()(ms, async () => {
        await changed.putPolicy({ mode: "Shadow" });
        await without.removePolicy();
        await deleted.removePolicy();
        await deleted.removeTenant();
        await fresh.putTenant();
        await fresh.putPolicy();
        expect((await operator.probe("healthz")).status).toBe(200);
      });
      const upAt = performance.now();
      const seen = async () => {
        const { [changed.name]: one, [without.name]: two, [deleted.name]: three, [fresh.name]: four } = await modes();
        return [one, two, three, four, (await deleted.tenant()) === undefined];
      };
      const wanted = ["Shadow", undefined, undefined, "Enforce", true];
      const end = await eventually(seen, (now) => JSON.stringify(now) === JSON.stringify(wanted), BACK_WITHIN_MS);
      expect(end).toEqual(wanted);
      const inForce = performance.now() - upAt;
      await fresh.ready({ anchored: true });
      const policy = await eventually(
        () => changed.policy(),
        (found) => found?.status?.observedGeneration === 2,
      );
      expect(policy?.status?.observedGeneration).toBe(2);
      const work = await duty.work();
      const jobs = performance.now() - upAt;
      console.log(
        `${letter} for ${ms} ms: changes in force after ${Math.round(inForce)} ms, all jobs after ${Math.round(jobs)} ms (${JSON.stringify(work)})`,
      );

      expect(rig.operators().map(({ pid }) => pid)).toEqual([operator.pid]);
      expect(duty.receiver.messages).toHaveLength(new Set(duty.receiver.messages).size);
      expect(duty.receiver.messages).toHaveLength(duty.alerts);
      expect((await rig.api.client.list(TENANTS, {})).items.map(({ metadata }) => metadata.name)).not.toContain(
        deleted.name,
      );
      for (const type of ["Ready", "LedgerSealed", "AlertsDelivering"]) {
        expect(conditionOf((await duty.tenancy.tenant()) as Resource, type)).toBe("True");
      }
      await expectNothingLost(rig);
    },
    150_000,
  );

  test("leaves journals that its end closes, and that nobody has to recover", async () => {
    expect(await operator.stop()).toBe(0);
    const own = await rows<{ final: boolean }>(
      "SELECT h.final FROM journal_head h JOIN journal j ON (j.tenant_id, j.id) = (h.tenant_id, h.journal_id) WHERE j.program = 'operator'",
    );
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter(({ final }) => !final)).toEqual([]);
  });
});
