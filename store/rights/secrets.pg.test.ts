import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DENIED, type RightsRig, rightsRig } from "../testing/rights-rig.ts";

let rig: RightsRig;
beforeAll(async () => {
  rig = await rightsRig();
});
afterAll(() => rig.drop());

describe("secrets", () => {
  test.each([
    ["heauth_hub", "SELECT key FROM session_key"],
    ["heauth_operator", "SELECT key FROM session_key"],
    ["heauth_auditor", "SELECT key FROM session_key"],
    ["heauth_hub", "DELETE FROM session_key"],
    ["heauth_hub", "SELECT password_hash FROM tenant_user"],
    ["heauth_operator", "SELECT password_hash FROM tenant_user"],
    ["heauth_auditor", "SELECT password_hash FROM tenant_user"],
    ["heauth_hub", "SELECT password_hash FROM tenant"],
    ["heauth_operator", "SELECT password_hash FROM tenant"],
    ["heauth_hub", "SELECT email FROM tenant"],
    ["heauth_hub", "SELECT peer FROM session"],
    ["heauth_auditor", "SELECT key FROM tag_key"],
    ["heauth_operator", "SELECT failures FROM login_failure"],
    ["heauth_hub", "SELECT FROM login_failure"],
  ] as const)("%s may not: %s", async (role, sql) => {
    expect(await rig.attempt(role, sql)).toBe(DENIED);
  });

  test("identity reads those of its tenant; the operator can delete a key that it cannot read", async () => {
    expect(await rig.attempt("heauth_identity", "SELECT length(key) FROM session_key")).toEqual([{ length: 32 }]);
    expect(
      await rig.attempt(
        "heauth_operator",
        `DELETE FROM session_key WHERE session_id = '${rig.session}' RETURNING session_id`,
      ),
    ).toEqual([{ session_id: rig.session }]);
  });
});
