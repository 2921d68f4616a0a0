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
const SEALED_FOR_MS = SOAK ? 6 * EVERY_MS : EVERY_MS + 5_000;
const ANCHORED_WITHIN_MS = 45_000;

describeKube("the anchor of a log that is being sealed", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let tenancy: Tenancy;
  let logins: Logins;
  let ledger: LedgerCommands;

  beforeAll(async () => {
    rig = await startOperatorRig();
    [logins, ledger] = await Promise.all([loginsOf(rig), ledgerCommands(rig)]);
    operator = await rig.startOperator();
    tenancy = new Tenancy(rig, "acme");
    await tenancy.live();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await ledger?.end();
    await rig?.stop();
  });

  const anchorOf = ({ status }: Resource) => status?.ledger ?? { epoch: -1, size: -1, note: "", time: "" };
  const anchor = async () => anchorOf(await rig.get("tenant/acme"));
  const sealed = ({ status }: Resource) => status?.conditions?.find(({ type }) => type === "LedgerSealed");
  const rows = <Row extends object>(sql: string) => rig.store.superuser.query<Row>(sql);
  const logSize = async () => Number((await rows<{ size: string }>("SELECT size FROM log_head"))[0]?.size);

  test("advances every 30 s at most, whatever an administrator tries, and the operator goes on", async () => {
    const first = await anchor();
    const seen = [first];
    let ended = false;
    const sealing = (async () => {
      const until = performance.now() + SEALED_FOR_MS;
      while (performance.now() < until) await logins.open(tenancy.id);
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
    do {
      for (const each of refused) await attempted(each, true);
      for (const each of ineffective) await attempted(each, false);
    } while (!ended);
    await sealing;

    const waiting = await eventually(
      () => rows("SELECT FROM seal_queue"),
      ({ length }) => length === 0,
    );
    expect(waiting).toEqual([]);
    const size = await logSize();
    await rig.until("tenant/acme", (each) => anchorOf(each).size === size, { withinMs: ANCHORED_WITHIN_MS });
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
    const [checkpoints] = await rows<{ count: number }>("SELECT count(*)::int AS count FROM checkpoint");
    console.log(`${checkpoints?.count} checkpoints, anchors after ${between.join(", ")} ms`);
    expect(written.length).toBeGreaterThanOrEqual(3);
    expect(checkpoints?.count).toBeGreaterThan(5 * written.length);
    for (const ms of between) expect(ms).toBeGreaterThan(EVERY_MS - 500);
    expect(written.every(({ responseStatus }) => responseStatus?.code === 200)).toBe(true);

    expect(await ledger.verifyAgainstKube("acme")).toEqual({
      code: 0,
      output: expect.stringMatching(/^intact: .* goes on from the anchor\n/),
    });
    expect(operator.log.filter(({ level }) => level === "error")).toEqual([]);
    expect(sealed(await rig.get("tenant/acme"))?.status).toBe("True");
  }, 300_000);

  test("that an administrator moves on, to what nobody signed, stops the log for all to see; a recovery lets it go on", async () => {
    const { time } = await anchor();
    const root = Buffer.alloc(32, 7);
    const forged = { epoch: 3, size: 1_000_000 };
    const note = signCheckpoint({ tenant: tenancy.id, ...forged, root }, testKeys().operator);
    const status = { ledger: { ...forged, note, time } };
    await rig.api.client.patch(TENANTS, { name: "acme" }, { status }, { subresource: "status" });
    const kept = await logSize();
    await logins.open(tenancy.id);
    const halted = await rig.until("tenant/acme", (each) => sealed(each)?.status === "False");
    expect(sealed(halted)).toMatchObject({ reason: "Halted", message: expect.stringMatching(/^AnchorInvalid: /) });
    expect(await logSize()).toBe(kept);
    expect((await ledger.verifyAgainstKube("acme")).code).toBe(1);

    // The anchor only advances: what was forged is left behind too.
    expect(await ledger.recover("acme", "somebody has forged the anchor")).toEqual({
      code: 0,
      output: expect.stringMatching(/goes on in epoch 4\n$/),
    });
    await rig.until("tenant/acme", (each) => sealed(each)?.status === "True" && anchorOf(each).epoch === 4, {
      withinMs: ANCHORED_WITHIN_MS,
    });
    await logins.open(tenancy.id);
    expect(await eventually(logSize, (size) => size > kept + 1)).toBeGreaterThan(kept + 1);
    expect(await ledger.verifyAgainstKube("acme")).toEqual({
      code: 0,
      output: expect.stringMatching(/^intact, RECOVERED \(once\): .*AnchorInvalid/s),
    });
  }, 120_000);
});
