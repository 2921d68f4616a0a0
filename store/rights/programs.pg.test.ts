import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DENIED, type RightsRig, rightsRig } from "../testing/rights-rig.ts";

let rig: RightsRig;
beforeAll(async () => {
  rig = await rightsRig();
});
afterAll(() => rig.drop());

describe("each program does only its own work", () => {
  test.each([
    ["heauth_hub", "UPDATE session SET closed_at = NULL"],
    ["heauth_hub", "UPDATE session SET statement = ''"],
    ["heauth_hub", `INSERT INTO outbox (tenant_id, seq, kind) VALUES ('${uuidv7()}', 1, 'tenant.changed')`],
    ["heauth_hub", "UPDATE outbox_head SET seq = 0"],
    ["heauth_hub", "UPDATE policy SET compiled = ''"],
    ["heauth_hub", "INSERT INTO user_role VALUES (gen_random_uuid(), gen_random_uuid(), 'admin')"],
    ["heauth_hub", "UPDATE tenant_user SET login = 'x'"],
    ["heauth_operator", "UPDATE session SET statement = ''"],
    ["heauth_operator", "UPDATE session SET user_id = id"],
    ["heauth_operator", "INSERT INTO user_role VALUES (gen_random_uuid(), gen_random_uuid(), 'admin')"],
    ["heauth_operator", "UPDATE tenant_user SET login = 'x'"],
    ["heauth_operator", "UPDATE tenant SET password_hash = 'x'"],
    ["heauth_identity", "INSERT INTO policy VALUES (gen_random_uuid(), 'a', 'b', 'c', '')"],
    ["heauth_identity", "DELETE FROM session"],
    ["heauth_identity", "DELETE FROM outbox"],
    ["heauth_operator", "DELETE FROM outbox"],
    ["heauth_identity", "UPDATE tenant SET reclaim_policy = 'Delete'"],
    ["heauth_identity", "UPDATE tenant SET managed_by = 'API'"],
    ["heauth_identity", "SELECT drop_tenant(gen_random_uuid(), 1)"],
    ["heauth_identity", "UPDATE term SET term = 0"],
    ["heauth_hub", "SELECT drop_tenant(gen_random_uuid(), 1)"],
    ["heauth_hub", "SELECT FROM term"],
    ["heauth_operator", "DELETE FROM term"],
    ["heauth_operator", "DELETE FROM tenant"],
    ["heauth_auditor", "SELECT drop_tenant(gen_random_uuid(), 1)"],
    ["heauth_auditor", "UPDATE closed_block SET actions = 0"],
    ["heauth_auditor", "DELETE FROM active_block"],
    ["heauth_auditor", "UPDATE auditor SET tenant_id = gen_random_uuid()"],
  ] as const)("%s may not: %s", async (role, sql) => {
    expect(await rig.attempt(role, sql)).toBe(DENIED);
  });

  test("identity cannot write into another tenant", async () => {
    const role = `INSERT INTO role (tenant_id, name) VALUES ('${rig.other}', 'x')`;
    expect(await rig.attempt("heauth_identity", role)).toBe(DENIED);
    expect(
      await rig.attempt("heauth_identity", `UPDATE tenant SET name = 'x' WHERE id = '${rig.other}' RETURNING id`),
    ).toEqual([]);
    expect(await rig.attempt("heauth_identity", `UPDATE role SET tenant_id = '${rig.other}'`)).toBe(DENIED);
    expect(
      await rig.attempt("heauth_identity", `DELETE FROM tenant_user WHERE tenant_id = '${rig.other}' RETURNING id`),
    ).toEqual([]);
  });

  test("nobody else gets in at all", async () => {
    const [stranger] = await rig.store.superuser.query<{ tables: number }>(
      `SELECT count(*) AS tables FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = 'heauth'::regnamespace AND a.grantee = 0`,
    );
    expect(stranger).toEqual({ tables: 0 });
    expect(
      await rig.store.superuser.query(
        "SELECT FROM pg_roles WHERE rolname LIKE 'heauth\\_%' AND (rolsuper OR rolbypassrls OR rolcanlogin)",
      ),
    ).toEqual([]);
  });
});
