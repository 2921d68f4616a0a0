import { type FindingClass, parseRecovery, signRecovery } from "@heauth/core/ledger";
import type { Tx } from "@heauth/store";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { type SealedTenant, SealRig } from "../../operator/testing/seal-rig.ts";
import { checkLedger } from "./check-ledger.ts";
import { flip } from "./testing/tamper-rig.ts";

let rig: SealRig;
let tenant: SealedTenant;
let ahead: string;

beforeAll(async () => {
  rig = await SealRig.open();
});
afterAll(() => rig.drop());

/** A log that was rolled back by two entries, recovered, and went on. */
beforeEach(async () => {
  tenant = await rig.tenant();
  for (let n = 0; n < 4; n++) {
    await tenant.record();
    await tenant.seal();
  }
  ahead = (await tenant.anchor()) ?? "";
  await tenant.rollBack(7);
  await tenant.askForRecovery();
  await tenant.record();
  await tenant.seal();
});
afterEach(() => tenant.end());

async function found(anchor?: string): Promise<FindingClass[]> {
  const superuser = await rig.store.database(null);
  const { findings } = await superuser.read((tx: Tx) =>
    checkLedger(tx, { tenant: tenant.name, pinned: rig.keys.pinned, anchor }),
  );
  return findings.map((each) => each.class);
}

test("what nobody touched is intact against both anchors", async () => {
  expect(await found(await tenant.anchor())).toEqual([]);
  expect(await found(ahead)).toEqual([]);
});

describe("somebody with all rights on the database is found who", () => {
  const ROW = "WHERE tenant_id = $1";
  const ENTRY = `${ROW} AND kind = 'recovery'`;

  test.each<[string, string, FindingClass]>([
    [
      "changes a recovery's reason",
      `UPDATE recovery SET body = convert_to(replace(convert_from(body, 'UTF8'), 'restored', 'rotated!'), 'UTF8') ${ROW}`,
      "HeaderAltered",
    ],
    ["changes its signature", `UPDATE recovery SET ${flip("signature", 3)} ${ROW}`, "HeaderAltered"],
    ["deletes it", `DELETE FROM recovery ${ROW}`, "LogEntryMissing"],
    ["deletes its entry in the log", `DELETE FROM log_entry ${ENTRY}`, "LogEntryMissing"],
    ["changes its leaf", `UPDATE log_entry SET ${flip("leaf", 3)} ${ENTRY}`, "LogEntryAltered"],
    ["calls its entry another's", `UPDATE log_entry SET number = 7 ${ENTRY}`, "LogEntryMissing"],
    ["calls it a key change", `UPDATE log_entry SET kind = 'key', number = 7 ${ENTRY}`, "LogEntryMissing"],
    ["takes the new epoch's checkpoints away", `DELETE FROM checkpoint ${ROW} AND epoch = 1`, "CheckpointMissing"],
    [
      "takes the old epoch's last checkpoint away",
      `DELETE FROM checkpoint ${ROW} AND epoch = 0 AND size = 7`,
      "CheckpointMissing",
    ],
    [
      "moves a checkpoint into another epoch",
      `UPDATE checkpoint SET epoch = 2 ${ROW} AND epoch = 1`,
      "CheckpointInvalid",
    ],
  ])("%s", async (_what, tamper, finding) => {
    await tenant.sql(tamper);
    expect(await found(await tenant.anchor())).toContain(finding);
  });

  test("cuts the recovery off, with all that came after it", async () => {
    await tenant.rollBack(7);
    expect(await found(await tenant.anchor())).toContain("RolledBack");
    expect(await found(ahead)).toContain("RolledBack");
  });

  test("exchanges it for one with the hub's key", async () => {
    const [row] = await tenant.sql<{ body: Buffer }>(`SELECT body FROM recovery ${ROW}`);
    const { v: _, signer: __, ...fields } = parseRecovery(row?.body ?? Buffer.alloc(0));
    const { body, signature } = signRecovery({ ...fields, reason: "nothing of note" }, rig.keys.hub);
    await tenant.sql(`UPDATE recovery SET body = $2, signature = $3 ${ROW}`, body, signature);
    expect(await found(await tenant.anchor())).toContain("HeaderAltered");
  });

  test("rolls the recovered log back", async () => {
    for (let n = 0; n < 2; n++) {
      await tenant.record();
      await tenant.seal();
    }
    const newest = await tenant.anchor();
    await tenant.rollBack(9);
    expect(await found(newest)).toContain("RolledBack");
    expect(await found(ahead)).toEqual([]);
  });
});
