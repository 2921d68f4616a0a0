import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DENIED, PROGRAMS, type RightsRig, rightsRig } from "../testing/rights-rig.ts";

let rig: RightsRig;
beforeAll(async () => {
  rig = await rightsRig();
});
afterAll(() => rig.drop());

describe("what the ledger is made of", () => {
  test("only the operator seals", async () => {
    for (const role of ["heauth_identity", "heauth_hub"] as const) {
      for (const table of ["closed_block", "log_entry", "checkpoint", "key_change", "log_head", "recovery"]) {
        expect(await rig.attempt(role, `INSERT INTO ${table} (tenant_id) VALUES ('${rig.acme}')`)).toBe(DENIED);
      }
    }
    expect(await rig.attempt("heauth_operator", `INSERT INTO recovery (tenant_id) VALUES ('${rig.acme}')`)).toBe(
      DENIED,
    );
  });
});

describe("private parts", () => {
  const NAMES = "ARRAY(SELECT journal_id FROM segment), ARRAY(SELECT number FROM segment)";
  const CALLS = [
    `SELECT heauth.drop_private_parts('${uuidv7()}', '{}', '{}')`,
    `SELECT heauth.drop_private_parts_of('${uuidv7()}', '{}')`,
    `SELECT heauth.forget_devices('${uuidv7()}', 10)`,
  ];

  test("nobody can change them, the operator neither", async () => {
    for (const role of [...PROGRAMS, "heauth_auditor", "heauth_recovery"] as const) {
      expect(await rig.attempt(role, "UPDATE segment_session SET privates = NULL")).toBe(DENIED);
      expect(await rig.attempt(role, "UPDATE segment_session SET privates = 'x'")).toBe(DENIED);
    }
  });

  test("only the operator can have them erased, by functions that erase nothing else", async () => {
    for (const role of ["heauth_identity", "heauth_hub", "heauth_auditor", "heauth_recovery"] as const) {
      for (const call of CALLS) expect(await rig.attempt(role, call)).toBe(DENIED);
    }
    for (const call of CALLS) expect(await rig.attempt("heauth_operator", call)).toHaveLength(1);
  });

  test("and of a tenant only those that are sealed, and as old as it says", async () => {
    const rows = async (setting: string, age: string, sealed: boolean) => {
      await rig.store.superuser.query(`UPDATE tenant SET settings = settings || '${setting}' WHERE id = $1`, [
        rig.acme,
      ]);
      await rig.store.superuser.query(`UPDATE segment SET created_at = now() - $2::interval WHERE tenant_id = $1`, [
        rig.acme,
        age,
      ]);
      await rig.store.superuser.query("DELETE FROM log_entry WHERE tenant_id = $1", [rig.acme]);
      if (sealed) {
        await rig.store.superuser.query(
          `INSERT INTO log_entry (tenant_id, epoch, index, kind, journal_id, number, leaf)
           SELECT tenant_id, 0, row_number() OVER () - 1, 'segment', journal_id, number, sha256('') FROM segment
            WHERE tenant_id = $1`,
          [rig.acme],
        );
      }
      const call = `SELECT heauth.drop_private_parts('${rig.acme}', ${NAMES}) AS rows`;
      return ((await rig.attempt("heauth_operator", call)) as [{ rows: number }])[0].rows;
    };
    const belongTo = (session: string) =>
      rig.store.superuser.query(
        `UPDATE segment_session SET session_id = ${session} WHERE tenant_id = $1 AND privates IS NOT NULL`,
        [rig.acme],
      );
    const days = '{"audit": {"retentionDays": 30}}';
    await belongTo("gen_random_uuid()");
    expect(await rows("{}", "100 days", true)).toBe(0);
    expect(await rows(days, "29 days", true)).toBe(0);
    expect(await rows(days, "31 days", false)).toBe(0);
    expect(await rows(days, "31 days", true)).toBeGreaterThan(0);
    // Of a session that is open, none.
    await belongTo("(SELECT session_id FROM active_block WHERE tenant_id = $1)");
    expect(await rows(days, "31 days", true)).toBe(0);
    await rig.store.superuser.query("DELETE FROM log_entry WHERE tenant_id = $1", [rig.acme]);
  });
});

describe("who recovers logs", () => {
  test("reads how they stand, and asks", async () => {
    for (const table of ["log_head", "log_entry", "checkpoint", "recovery"]) {
      expect(await rig.attempt("heauth_recovery", `SELECT tenant_id FROM ${table} LIMIT 0`)).toEqual([]);
    }
    expect(await rig.attempt("heauth_recovery", "SELECT id, name FROM tenant ORDER BY name")).toHaveLength(2);
    const asked = `INSERT INTO recovery (tenant_id, number, body, signature) VALUES ('${rig.acme}', 0, '', '') RETURNING number`;
    expect(await rig.attempt("heauth_recovery", asked)).toEqual([{ number: 0 }]);
  });

  test.each([
    "UPDATE log_head SET epoch = 7",
    "INSERT INTO log_entry (tenant_id) VALUES (gen_random_uuid())",
    "INSERT INTO checkpoint (tenant_id) VALUES (gen_random_uuid())",
    "SELECT settings FROM tenant",
    "SELECT FROM segment",
    "SELECT FROM segment_session",
    "SELECT FROM session",
    "SELECT FROM tenant_user",
    "SELECT FROM alert",
  ])("may not: %s", async (sql) => {
    expect(await rig.attempt("heauth_recovery", sql)).toBe(DENIED);
  });
});
