import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DENIED, type RightsRig, rightsRig } from "../testing/rights-rig.ts";

let rig: RightsRig;
beforeAll(async () => {
  rig = await rightsRig();
});
afterAll(() => rig.drop());

const identity = (sql: string, tenant = rig.acme) => rig.attempt("heauth_identity", sql, tenant);
const ERASE_EARLY = `UPDATE tenant SET settings = settings || '{"audit": {"retentionDays": 1}}'`;
const make = (id: string, managedBy: string) =>
  `INSERT INTO tenant (id, name, managed_by, settings, email, password_hash)
   VALUES ('${id}', 'made', '${managedBy}', '{}', ${managedBy === "API" ? "'made@test', 'x'" : "NULL, NULL"}) RETURNING name`;

describe("identity", () => {
  test.each([
    ERASE_EARLY,
    "UPDATE tenant SET name = 'x'",
    "UPDATE tenant SET deleted_at = now()",
    "UPDATE tenant SET updated_at = now()",
    "UPDATE tenant SET managed_by = 'API'",
    "UPDATE tenant SET reclaim_policy = 'Delete'",
  ])("may not change a tenant that has a resource: %s", async (sql) => {
    expect(await identity(sql)).toBe(DENIED);
    expect(await identity(`${sql} WHERE id = '${rig.acme}'`)).toBe(DENIED);
  });

  test("may not make one that looks as if it had a resource", async () => {
    const id = uuidv7();
    expect(await identity(make(id, "Resource"), id)).toBe(DENIED);
    expect(await identity(make(id, "API"), id)).toEqual([{ name: "made" }]);
  });

  test("changes the settings and the password of a tenant that manages itself by the API, and of no other", async () => {
    const id = uuidv7();
    await rig.store.superuser.query(make(id, "API"));
    expect(await identity(`${ERASE_EARLY} RETURNING name`, id)).toEqual([{ name: "made" }]);
    expect(await identity("UPDATE tenant SET password_hash = 'y' RETURNING name", id)).toEqual([{ name: "made" }]);
    expect(await identity(`UPDATE tenant SET name = 'x' WHERE id = '${rig.other}' RETURNING id`, id)).toEqual([]);
  });
});
