// The anchor of a log in its Tenant's status, against the cluster's own administrator, while the operator is at work.
import { signCheckpoint } from "@heauth/core/ledger";
import { TENANTS } from "@heauth/program/kubernetes";
import { testKeys } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type AnchorAttempt, anchorAttempts } from "./testing/anchor-attempts.ts";
import { type LedgerCommands, ledgerCommands } from "./testing/ledger-commands.ts";
import { operatorCalls } from "./testing/operator-calls.ts";
import { SOAK } from "./testing/soak.ts";
import { type Logins, loginsOf, Tenancy } from "./testing/tenancy.ts";

/** An anchor that changes is written so often, and no more. */
const EVERY_MS = 30_000;
const INTERVALS = SOAK ? 6 : 1;
/** After the first anchor; what is sealed until then is in the last one, a moment later. */
const SEALED_FOR_MS = INTERVALS * EVERY_MS - 4_000;
const ANCHORED_WITHIN_MS = 45_000;

describeKube("the anchor of a log that is being sealed", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let tenancy: Tenancy;
  let forged: Tenancy;
  let logins: Logins;
  let ledger: LedgerCommands;

  beforeAll(async () => {
    rig = await startOperatorRig();
    [logins, ledger] = await Promise.all([loginsOf(rig), ledgerCommands(rig)]);
    operator = await rig.startOperator();
    [tenancy, forged] = [new Tenancy(rig, "acme"), new Tenancy(rig, "forged")];
    await forged.live();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await ledger?.end();
    await rig?.stop();
  });

  const anchorOf = ({ status }: Resource) => status?.ledger ?? { epoch: -1, size: -1, note: "", time: "" };
  const anchor = async (name = "acme") => anchorOf(await rig.get(`tenant/${name}`));
  const sealed = ({ status }: Resource) => status?.conditions?.find(({ type }) => type === "LedgerSealed");
  const rows = <Row extends object>(sql: string, { id }: Tenancy) => rig.store.superuser.query<Row>(sql, [id]);
  const logSize = async (of = tenancy) =>
    Number((await rows<{ size: string }>("SELECT size FROM log_head WHERE tenant_id = $1", of))[0]?.size);

  async function expectAllSealed(of: Tenancy): Promise<void> {
    const waiting = await eventually(
      () => rows("SELECT FROM seal_queue WHERE tenant_id = $1", of),
      ({ length }) => length === 0,
      30_000,
    );
    expect(waiting).toEqual([]);
  }

  test("that an administrator moves on, to what nobody signed, stops the log for all to see, until it is recovered", async () => {
    await expectAllSealed(forged);
    const { time } = await anchor("forged");
    const root = Buffer.alloc(32, 7);
    const moved = { epoch: 3, size: 1_000_000 };
    const note = signCheckpoint({ tenant: forged.id, ...moved, root }, testKeys().operator);
    const status = { ledger: { ...moved, note, time } };
    await rig.api.client.patch(TENANTS, { name: "forged" }, { status }, { subresource: "status" });
    const kept = await logSize(forged);
    await logins.open(forged.id);
    const halted = await rig.until("tenant/forged", (each) => sealed(each)?.status === "False");
    expect(sealed(halted)).toMatchObject({ reason: "Halted", message: expect.stringMatching(/^AnchorInvalid: /) });
    expect(await logSize(forged)).toBe(kept);
    expect((await ledger.verifyAgainstKube("forged")).code).toBe(1);

    // The anchor only advances: what was forged is left behind too.
    expect(await ledger.recover("forged", "somebody has forged the anchor")).toEqual({
      code: 0,
      output: expect.stringMatching(/goes on in epoch 4\n$/),
    });
  }, 120_000);

  test("advances every 30 s at most, whatever an administrator tries, and the operator goes on", async () => {
    const earlier = new Set(operator.log);
    await tenancy.live();
    const first = await anchor();
    const seen = [first];
    let ended = false;
    const sealing = (async () => {
      const until = Date.parse(first.time) + SEALED_FOR_MS;
      while (Date.now() < until) await logins.open(tenancy.id);
      await expectAllSealed(tenancy);
      const size = await logSize();
      await rig.until("tenant/acme", (each) => anchorOf(each).size === size, { withinMs: ANCHORED_WITHIN_MS });
    })().finally(() => {
      ended = true;
    });

    const { refused, ineffective } = anchorAttempts(rig, "acme", tenancy.id, first);
    const attempted = async ({ what, run }: AnchorAttempt, isToBeRefused: boolean) => {
      const said = await run().then(() => "", String);
      const now = await anchor();
      seen.push(now);
      if (isToBeRefused) expect({ what, said }).toEqual({ what, said: expect.stringMatching(/only advances/) });
      else expect({ what, said }).toEqual({ what, said: "" });
    };
    const attack = async () => {
      do {
        for (const each of refused) await attempted(each, true);
        for (const each of ineffective) await attempted(each, false);
      } while (!ended);
    };
    await Promise.all([sealing, attack()]);
    seen.push(await anchor());
    for (const [index, { epoch, size: now, note }] of seen.entries()) {
      const before = seen[index - 1] ?? first;
      expect(epoch).toBe(0);
      expect(now).toBeGreaterThanOrEqual(before.size);
      if (now === before.size) expect(note).toBe(before.note);
    }

    const written = (await operatorCalls(rig)).filter(
      ({ verb, requestURI }) =>
        verb === "patch" && /\/tenants\/acme\/status\?.*fieldManager=heauth-seal/.test(requestURI),
    );
    const at = written.map(({ requestReceivedTimestamp }) => Date.parse(requestReceivedTimestamp));
    const between = at.slice(1).map((time, index) => time - (at[index] ?? 0));
    const [checkpoints] = await rows<{ count: number }>(
      "SELECT count(*)::int AS count FROM checkpoint WHERE tenant_id = $1",
      tenancy,
    );
    console.log(`${checkpoints?.count} checkpoints, anchors after ${between.join(", ")} ms`);
    expect(written.length).toBeGreaterThan(INTERVALS);
    expect(checkpoints?.count).toBeGreaterThan(5 * written.length);
    for (const ms of between) expect(ms).toBeGreaterThan(EVERY_MS - 500);
    expect(written.every(({ responseStatus }) => responseStatus?.code === 200)).toBe(true);

    expect(await ledger.verifyAgainstKube("acme")).toEqual({
      code: 0,
      output: expect.stringMatching(/^intact: .* goes on from the anchor\n/),
    });
    expect(operator.log.filter((line) => line["level"] === "error" && !earlier.has(line))).toEqual([]);
    expect(sealed(await rig.get("tenant/acme"))?.status).toBe("True");
  }, 300_000);

  // Its anchor had been written a moment before it was recovered: the next one is due by now.
  test("that was recovered goes on, from an anchor of its new epoch", async () => {
    await rig.until("tenant/forged", (each) => sealed(each)?.status === "True" && anchorOf(each).epoch === 4, {
      withinMs: ANCHORED_WITHIN_MS,
    });
    const kept = await logSize(forged);
    await logins.open(forged.id);
    expect(
      await eventually(
        () => logSize(forged),
        (size) => size > kept,
      ),
    ).toBeGreaterThan(kept);
    expect(await ledger.verifyAgainstKube("forged")).toEqual({
      code: 0,
      output: expect.stringMatching(/^intact, RECOVERED \(once\): .*AnchorInvalid/s),
    });
  }, 120_000);
});
