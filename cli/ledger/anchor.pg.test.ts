import { Frontier, sha256, signCheckpoint } from "@heauth/core/ledger";
import type { Tx } from "@heauth/store";
import { testKeys } from "@heauth/store/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type History, keys } from "./testing/history.ts";
import { all, type TamperRig, tamperRig } from "./testing/tamper-rig.ts";

let rig: TamperRig;
let history: History;

beforeAll(async () => {
  rig = await tamperRig();
  history = rig.history;
});
afterAll(() => rig.drop());

test("an honest history is intact, against every anchor that was kept", async () => {
  for (const anchor of history.anchors) {
    expect(await rig.after(async () => {}, anchor)).toMatchObject({
      status: "Intact",
      anchor: "Matched",
      findings: [],
      pending: [],
      counts: { blocks: 1, openSessions: 1, gaps: 0 },
    });
  }
});

describe("the anchor", () => {
  /** The last entries of the log, their rows and checkpoints cut off, as a restored older database has them. */
  const cutTail = async (tx: Tx) => {
    const [old] = await tx.query<{ size: number }>(
      "SELECT size FROM checkpoint WHERE tenant_id = $1 ORDER BY size LIMIT 1",
      [history.tenantId],
    );
    const from = old?.size ?? 0;
    const names = "SELECT journal_id, number FROM log_entry WHERE tenant_id = $1 AND kind = 'segment' AND index >= $2";
    const params = [history.tenantId, from];
    await tx.query(`DELETE FROM segment_session WHERE tenant_id = $1 AND (journal_id, number) IN (${names})`, params);
    await tx.query(`DELETE FROM segment WHERE tenant_id = $1 AND (journal_id, number) IN (${names})`, params);
    await tx.query("DELETE FROM closed_block WHERE tenant_id = $1", [history.tenantId]);
    const journals = "SELECT journal_id FROM log_entry WHERE tenant_id = $1 AND kind = 'registration' AND index >= $2";
    await tx.query(`DELETE FROM journal_head WHERE tenant_id = $1 AND journal_id IN (${journals})`, params);
    await tx.query(`DELETE FROM journal WHERE tenant_id = $1 AND id IN (${journals})`, params);
    await tx.query("DELETE FROM log_entry WHERE tenant_id = $1 AND index >= $2", params);
    await tx.query("DELETE FROM checkpoint WHERE tenant_id = $1 AND size > $2", params);
  };

  test("finds a tail that was cut, which nothing in the database tells of", async () => {
    expect(await rig.after(cutTail, null)).toMatchObject({ status: "Intact", anchor: "None" });
    expect(await rig.after(cutTail, history.anchors[0])).toMatchObject({ status: "Intact", anchor: "Matched" });
    const verdict = await rig.after(cutTail);
    expect(verdict).toMatchObject({ status: "Tampered", anchor: "Contradicted" });
    expect(verdict.findings).toMatchObject([{ class: "RolledBack", place: { anchor: true } }]);
  });

  test("finds a database that was emptied, and a tenant that was removed", async () => {
    const empty = all(
      cutTail,
      rig.sql("DELETE FROM log_entry WHERE tenant_id = $1"),
      rig.sql("DELETE FROM checkpoint WHERE tenant_id = $1"),
    );
    expect((await rig.after(empty)).findings.map((each) => each.class)).toContain("RolledBack");
    const renamed = await rig.after(rig.sql("UPDATE tenant SET name = 'gone' WHERE id = $1"));
    expect(renamed.status).toBe("Intact");
  });

  test("finds a fork that the operator's own key signed", async () => {
    const forked = async (tx: Tx) => {
      const leaves = await tx.query<{ index: number; leaf: Buffer }>(
        "SELECT index, leaf FROM log_entry WHERE tenant_id = $1 ORDER BY index",
        [history.tenantId],
      );
      const tree = Frontier.empty();
      for (const { leaf } of leaves.slice(0, -1)) tree.append(leaf);
      tree.append(sha256(Buffer.from("another history")));
      const size = tree.size;
      const note = signCheckpoint({ tenant: history.tenantId, epoch: 0, size, root: tree.root() }, keys.operator);
      await tx.query("UPDATE checkpoint SET note = $3 WHERE tenant_id = $1 AND size = $2", [
        history.tenantId,
        size,
        note,
      ]);
      await tx.query("UPDATE log_entry SET leaf = $3 WHERE tenant_id = $1 AND index = $2", [
        history.tenantId,
        size - 1,
        sha256(Buffer.from("another history")),
      ]);
    };
    const verdict = await rig.after(forked);
    expect(verdict.anchor).toBe("Contradicted");
    expect(verdict.findings.map((each) => each.class)).toContain("Forked");
  });

  test("of another operator's key, and keys that are not pinned, are not believed", async () => {
    const verdict = await rig.after(async () => {}, undefined, testKeys().pinned);
    expect(verdict.status).toBe("Tampered");
    expect(verdict.findings.map((each) => each.class)).toContain("KeyNotPinned");
  });
});
