import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { DENIED, type RightsRig, rightsRig } from "../testing/rights-rig.ts";

let rig: RightsRig;
beforeAll(async () => {
  rig = await rightsRig();
});
afterAll(() => rig.drop());

describe("an auditor", () => {
  test("reads the ledger of his tenant in plain words, and no other's", async () => {
    const login = `auditor_${uuidv7().replaceAll("-", "")}`;
    await rig.store.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD 'secret' IN ROLE heauth_auditor`);
    await rig.store.superuser.query("INSERT INTO auditor VALUES ($1, $2)", [login, rig.other]);
    const client = new pg.Client(rig.store.url.replace(/\/\/.*?@/, `//${login}:secret@`));
    await client.connect();
    const rows = async (sql: string) => (await client.query(sql)).rows;
    try {
      expect(
        await rows(`SELECT type, user_login, decision, action, method, path, peer, pod FROM heauth.audit_record
                     WHERE session_id <> '00000000-0000-0000-0000-000000000000' ORDER BY at`),
      ).toEqual([
        expect.objectContaining({ type: "session.open", user_login: "jo" }),
        {
          type: "decision",
          user_login: "jo",
          decision: "Allow",
          action: "patient.read",
          method: "GET",
          // NUL has no place in PostgreSQL's text; what only looks like its escape stays text.
          path: expect.stringMatching(/^\/patients\/\ufffd.*\/ü$/),
          peer: "192.0.2.7",
          pod: "shop/web-0",
        },
      ]);
      expect(await rows("SELECT DISTINCT tenant_id FROM heauth.audit_record")).toEqual([{ tenant_id: rig.other }]);
      expect(await rows("SELECT user_login, last_action, actions FROM heauth.audit_active_block")).toEqual([
        { user_login: "jo", last_action: "patient.read", actions: "1" },
      ]);
      expect(await rows("SELECT * FROM heauth.audit_closed_block")).toEqual([]);
      expect(await rows("SELECT name FROM heauth.tenant")).toEqual([{ name: "other" }]);
      for (const table of ["segment", "active_block", "tenant_user", "session"]) {
        expect(await rows(`SELECT tenant_id FROM heauth.${table} WHERE tenant_id = '${rig.acme}'`)).toEqual([]);
      }
      await expect(client.query("UPDATE heauth.auditor SET tenant_id = gen_random_uuid()")).rejects.toMatchObject({
        code: DENIED,
      });
    } finally {
      await client.end();
      await rig.store.superuser.query("DELETE FROM auditor");
      await rig.store.superuser.query(`DROP ROLE ${login}`);
    }
  });

  test("who is nobody's auditor reads nothing", async () => {
    expect(await rig.attempt("heauth_auditor", "SELECT FROM audit_record")).toEqual([]);
    expect(await rig.attempt("heauth_auditor", "SELECT name FROM tenant")).toEqual([]);
  });
});
