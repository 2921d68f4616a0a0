import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { endLostJournal, giveJournals, insertSegments, LedgerWriter, type RecordDraft } from "@heauth/store";
import { decision, loginUrl, TestJournal } from "@heauth/store/testing";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { runVerify, type VerifyArguments } from "./run-verify.ts";
import { type History, keys, TENANT } from "./testing/history.ts";
import { flip, type TamperRig, tamperRig } from "./testing/tamper-rig.ts";

let rig: TamperRig;
let history: History;

beforeAll(async () => {
  rig = await tamperRig();
  history = rig.history;
});
afterAll(() => rig.drop());

describe("the command", () => {
  async function verify(options: Partial<VerifyArguments> = {}) {
    let out = "";
    let err = "";
    const code = await runVerify(
      { tenant: TENANT, database: rig.store.url, keys: join(rig.folder, "ledger-keys.json"), ...options },
      { out: { write: (text) => (out += text) }, err: { isTTY: true, columns: 80, write: (text) => (err += text) } },
    );
    return { code, out, err };
  }

  test("ends with 0 and one line for an intact ledger", async () => {
    const { code, out, err } = await verify({ against: join(rig.folder, "newest") });
    expect(code).toBe(0);
    expect(out).toMatch(/^intact: the ledger of acme .* goes on from the anchor\n$/);
    expect(err).toContain("100 %");
    expect(err.endsWith("\u001b[K")).toBe(true);
  });

  test("finds keys and anchor in standalone's folder, also beside --database", async () => {
    expect(await verify({ data: rig.folder, keys: undefined, requireAnchor: true })).toMatchObject({
      code: 0,
      out: expect.stringContaining("goes on from the anchor"),
    });
  });

  test("says of a login that can't read ledgers what it would have to be", async () => {
    const login = `nobody_${randomBytes(6).toString("hex")}`;
    await rig.store.superuser.query(`CREATE ROLE ${login} LOGIN NOINHERIT PASSWORD 'secret' IN ROLE heauth_identity`);
    try {
      await expect(verify({ database: loginUrl(rig.store.url, login, "secret") })).rejects.toMatchObject({
        code: "InvalidOption",
        message: expect.stringMatching(/^--database: .* member of heauth_operator or heauth_auditor$/),
      });
    } finally {
      await rig.store.superuser.query(`DROP ROLE ${login}`);
    }
  });

  test("says when there is no anchor, and ends with 2 where one is required", async () => {
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringContaining("NO ANCHOR") });
    expect(await verify({ requireAnchor: true })).toMatchObject({
      code: 2,
      out: expect.stringMatching(/^could not check .*no anchor/),
    });
  });

  test("ends with 1, and names class and place, for a tampered one; JSON says the same", async () => {
    const change = () =>
      rig.store.superuser.query(`UPDATE segment SET ${flip("records", 60)} WHERE journal_id = $1 AND number = 1`, [
        history.journal,
      ]);
    await change();
    try {
      const { code, out } = await verify({ against: join(rig.folder, "newest") });
      expect(code).toBe(1);
      expect(out).toMatch(/^tampered: /);
      expect(out).toMatch(new RegExp(`RecordAltered at .*journal ${history.journal}, segment 1`));
      const { out: json } = await verify({ json: true });
      expect(JSON.parse(json)).toMatchObject({ status: "Tampered", findings: [{ class: "RecordAltered" }] });
    } finally {
      await change();
    }
    expect((await verify()).code).toBe(0);
  });

  test.each<[string, Partial<VerifyArguments>, RegExp]>([
    ["an unknown tenant", { tenant: "nobody" }, /--tenant/],
    ["no keys", { keys: undefined }, /--keys/],
    ["a keys file that is none", { keys: "/dev/null" }, /--keys/],
    ["an anchor that is not there", { against: "/nowhere" }, /anchor/],
    ["an anchor that is none", { against: "/dev/null" }, /anchor/],
    ["no database", { database: undefined }, /--data/],
  ])("refuses %s", async (_what, options, message) => {
    await expect(verify(options)).rejects.toMatchObject({
      code: "InvalidOption",
      message: expect.stringMatching(message),
    });
  });

  test("tells of what is not sealed yet, and of late records that wait", async () => {
    const hub = await rig.store.database("heauth_hub");
    const late = new TestJournal(history.tenantId, keys.hub, { pod: "shop/web-8" });
    await hub.transaction(async (tx) => {
      await late.register(tx, keys.hub);
      await insertSegments(tx, history.tenantId, late.id, [late.seal(decision(history.closedSession))]);
    });
    const { code, out } = await verify({ against: join(rig.folder, "newest") });
    expect(code).toBe(0);
    expect(out).toMatch(/^intact: .*, \d+ rows not sealed yet\)/);
    expect(out).toContain(`late: 1 record of session ${history.closedSession} in journal ${late.id}`);
  });

  test("lists known losses, and ends with 3 where none may be", async () => {
    const hub = await rig.store.database("heauth_hub");
    const lossy = new TestJournal(history.tenantId, keys.hub, { pod: "shop/web-9" });
    await hub.transaction(async (tx) => {
      await lossy.register(tx, keys.hub);
      const gap = { type: "gap", gap: { journal: history.journal, from: 99, lost: 4 }, reason: "Quarantined" } as const;
      await insertSegments(tx, history.tenantId, lossy.id, [lossy.seal(gap)]);
    });
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringMatching(/^intact, incomplete \(1 gap/) });
    expect(await verify({ requireComplete: true })).toMatchObject({
      code: 3,
      out: expect.stringContaining("lost: 4 records"),
    });
  });

  test("names a lost journal, its pod and what may be missing, until it is closed after all", async () => {
    const operator = await rig.store.database("heauth_operator");
    const hub = await rig.store.database("heauth_hub");
    const { tenantId } = history;
    const lost = new TestJournal(tenantId, keys.hub, { pod: "shop/web-5" });
    const ship = (...records: RecordDraft[]) =>
      hub.transaction((tx) => insertSegments(tx, tenantId, lost.id, [lost.seal(...records)]));
    const before = (await verify({ json: true })).out;
    await hub.transaction(async (tx) => {
      await lost.register(tx, keys.hub);
      await giveJournals(tx, tenantId, [lost.id], "uid-5");
    });
    await ship(decision(history.openSession));
    const recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
    const journal = { tenantId, journalId: lost.id, podUid: "uid-5" };
    await operator.tenantTransaction(tenantId, (tx) => endLostJournal(tx, recorder, journal, 0));
    const told = `of journal ${lost.id} of pod shop/web-5 from seq 2 on, which its pod left without closing it (told by record `;
    expect(await verify({ requireComplete: true })).toMatchObject({
      code: 3,
      out: expect.stringContaining(`  lost: an unknown number of records, perhaps none, ${told}`),
    });
    expect(await verify()).toMatchObject({ code: 0, out: expect.stringMatching(/^intact, incomplete \(/) });
    await ship({ type: "journal.close" });
    const gaps = (json: string): number => JSON.parse(json).counts.gaps;
    expect(gaps((await verify({ json: true })).out)).toBe(gaps(before));
  });
});
