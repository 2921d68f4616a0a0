// A database that was restored from an older backup is found by the anchor in the cluster, and goes on only when a person says so.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EVENTS, type KubeObject, SECRETS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { secretObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { type OperatorRig, RELEASE_NAMESPACE, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type AlertReceiver, startAlertReceiver } from "./testing/alert-receiver.ts";
import { type Backup, takeBackup } from "./testing/backup.ts";
import { type LedgerCommands, ledgerCommands } from "./testing/ledger-commands.ts";
import { SOAK } from "./testing/soak.ts";
import { type Logins, loginsOf, Tenancy } from "./testing/tenancy.ts";

/** Anchors are written every 30 s at most. */
const ANCHORED_WITHIN_MS = 45_000;
/** A log that is halted is looked at again every 5 s. */
const FOUND_WITHIN_MS = 30_000;

describeKube("a database that was restored from a backup", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let tenancy: Tenancy;
  let logins: Logins;
  let ledger: LedgerCommands;
  let receiver: AlertReceiver;
  const backups: Backup[] = [];

  beforeAll(async () => {
    [rig, receiver] = await Promise.all([startOperatorRig(), startAlertReceiver()]);
    [logins, ledger] = await Promise.all([loginsOf(rig), ledgerCommands(rig)]);
    operator = await rig.startOperator();
    await operator.ready();
    await rig.api.client.create(SECRETS, secretObject(RELEASE_NAMESPACE, "hook", "acme", receiver.secret));
    tenancy = new Tenancy(rig, "acme");
    const webhook = { url: receiver.url, signingSecretRef: { name: "hook", key: "key" } };
    await tenancy.live({ alerts: { receivers: [{ name: "secops", webhook }] } });
    // What the first one recorded at its end is sealed before anything is measured.
    if (!SOAK) await nextOperator();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await ledger?.end();
    await rig?.stop();
    for (const backup of backups) await backup.drop();
    await receiver?.stop();
  });

  const acme = () => rig.get("tenant/acme");
  const anchored = ({ status }: Resource) => status?.ledger ?? { epoch: -1, size: -1, note: "", time: "" };
  const sealed = ({ status }: Resource) => status?.conditions?.find(({ type }) => type === "LedgerSealed");
  const rows = <Row extends object>(sql: string) => rig.store.superuser.query<Row>(sql);
  const logSize = async () => Number((await rows<{ size: string }>("SELECT size FROM log_head"))[0]?.size);
  const queued = async () => (await rows("SELECT FROM seal_queue")).length;

  /** Records that are sealed; the connections of before may be broken. */
  async function live(sessions = 3): Promise<void> {
    for (let n = 0; n < sessions; n++) {
      await eventually(
        () => logins.open(tenancy.id),
        () => true,
      );
    }
    expect(await eventually(queued, (count) => count === 0)).toBe(0);
  }
  /** Ends the operator, and waits until another one has sealed what was left and has the whole log in mind. */
  async function nextOperator(): Promise<void> {
    expect(await operator.stop()).toBe(0);
    operator = await rig.startOperator();
    expect(await eventually(queued, (count) => count === 0)).toBe(0);
    const isProven = async () => (await operator.metric("heauth_log_size")) === (await logSize());
    expect(await eventually(isProven, (is) => is)).toBe(true);
  }
  /**
   * Waits until the cluster has the log's newest checkpoint. One operator writes it 30 s after the one before; unless there is time
   * for that, it is another one that goes on, which has not written any: what is newest is written at an operator's end.
   */
  async function anchorIsNewest(): Promise<string> {
    if (!SOAK) await nextOperator();
    const size = await logSize();
    const found = await rig.until("tenant/acme", (each) => anchored(each).size === size, {
      withinMs: ANCHORED_WITHIN_MS,
    });
    return anchored(found).note;
  }
  async function backUp(): Promise<Backup> {
    const backup = await takeBackup(rig.store);
    backups.push(backup);
    return backup;
  }
  async function keep(name: string, note: string): Promise<string> {
    const file = join(rig.api.folder, name);
    await writeFile(file, note);
    return file;
  }
  const events = async (reason: string) =>
    (
      await rig.api.client.list<KubeObject & { reason: string; note: string; regarding: { name: string } }>(EVENTS, {})
    ).items
      .filter((event) => event.reason === reason && event.regarding.name === "acme")
      .map(({ note }) => note);
  /** How often alerts that the receiver was told of were raised. */
  const raised = async (reason: string) => {
    const told = await rows<{ times: number }>(
      `SELECT coalesce(sum(count), 0)::int AS times FROM alert a WHERE reason = '${reason}' AND EXISTS (
         SELECT FROM alert_delivery d WHERE d.alert_id = a.id AND d.delivered_at IS NOT NULL)`,
    );
    return told[0]?.times;
  };

  async function expectFound(time: number, anchorSize: number, keptSize: number): Promise<void> {
    const halted = await rig.until("tenant/acme", (each) => sealed(each)?.status === "False", {
      withinMs: FOUND_WITHIN_MS,
    });
    expect(sealed(halted)).toMatchObject({ reason: "Halted", message: expect.stringMatching(/^RolledBack: /) });
    expect(anchored(halted).size).toBe(anchorSize);
    const said = await eventually(
      () => events("Halted"),
      ({ length }) => length === time,
    );
    expect(said).toEqual(Array(time).fill(expect.stringMatching(/^LedgerSealed is False: RolledBack: /)));
    expect(
      await eventually(
        () => raised("LedgerHalted"),
        (times) => times === time,
        FOUND_WITHIN_MS,
      ),
    ).toBe(time);
    // What happens meanwhile is recorded, and waits.
    await eventually(
      () => logins.open(tenancy.id),
      () => true,
    );
    expect(await logSize()).toBe(keptSize);
    expect(await queued()).toBeGreaterThan(0);
    const { code, output } = await ledger.verifyAgainstKube("acme");
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(/^tampered: .*\n.*RolledBack/s) });
    expect(anchored(await acme())).toEqual(anchored(halted));
  }

  async function expectRecovery(epoch: number, reason: string): Promise<void> {
    const { code, output } = await ledger.recover("acme", reason);
    expect({ code, output }).toEqual({
      code: 0,
      output: expect.stringMatching(new RegExp(`goes on in epoch ${epoch}\n$`)),
    });
    await rig.until("tenant/acme", (each) => sealed(each)?.status === "True" && anchored(each).epoch === epoch, {
      withinMs: ANCHORED_WITHIN_MS,
    });
    expect(await eventually(queued, (count) => count === 0)).toBe(0);
    expect(
      await eventually(
        () => raised("LedgerRecovered"),
        (count) => count === epoch,
        FOUND_WITHIN_MS,
      ),
    ).toBe(epoch);
    const verified = await ledger.verifyAgainstKube("acme");
    const times = epoch === 1 ? "once" : `${epoch} times`;
    expect(verified).toEqual({
      code: 0,
      output: expect.stringMatching(
        new RegExp(`^intact, RECOVERED \\(${times}\\): .*goes on from the anchor\n.*lost.*${reason}`, "s"),
      ),
    });
    expect(await ledger.verifyAgainstKube("acme", "--require-complete")).toMatchObject({ code: 3 });
    expect(await ledger.recover("acme", "once more")).toEqual({
      code: 2,
      output: expect.stringMatching(/there is nothing to recover/),
    });
  }

  test("under the running operator: sealing stops, everybody is told, and goes on in a new epoch that a person began", async () => {
    await live();
    const atBackup = anchored(await acme()).note;
    const kept = await logSize();
    const backup = await backUp();
    await live();
    const newest = await anchorIsNewest();
    expect(await ledger.verifyAgainstKube("acme")).toMatchObject({ code: 0 });
    const size = await logSize();
    expect(size).toBeGreaterThan(kept);

    await backup.restore();
    await expectFound(1, size, kept);
    await expectRecovery(1, "restored the backup of this morning");

    await live();
    // Notes that an auditor kept: of what is still there, and of what the recovery says is lost.
    const old = await ledger.verify("acme", "--against", await keep("at-backup", atBackup));
    expect(old).toEqual({ code: 0, output: expect.stringMatching(/^intact, RECOVERED \(once\): /) });
    const lost = await ledger.verify("acme", "--against", await keep("newest", newest));
    expect(lost).toEqual({
      code: 0,
      output: expect.stringMatching(/; the anchor is of what the recovery says was lost/),
    });
    expect((await operator.probe("healthz")).status).toBe(200);
  }, 240_000);

  test("while no operator ran: the next one finds it by the anchor alone, and it can be recovered once more", async () => {
    const before = anchored(await acme()).note;
    const kept = await logSize();
    const backup = await backUp();
    await live();
    expect(await operator.stop()).toBe(0);
    const lostSize = anchored(await acme()).size;
    expect(lostSize).toBeGreaterThan(kept);
    await backup.restore();

    operator = await rig.startOperator();
    await expectFound(2, lostSize, kept);
    await expectRecovery(2, "restored the backup of this evening");
    expect(await ledger.verify("acme", "--against", await keep("before", before))).toMatchObject({ code: 0 });
  }, 240_000);
});
