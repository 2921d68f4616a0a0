import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type RightsRig, rightsRig } from "../testing/rights-rig.ts";

let rig: RightsRig;
beforeAll(async () => {
  rig = await rightsRig();
});
afterAll(() => rig.drop());

describe("every table", () => {
  test("has row level security that binds its owner too", async () => {
    const open = await rig.store.superuser.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'heauth'::regnamespace AND relkind = 'r'
          AND NOT (relrowsecurity AND relforcerowsecurity)`,
    );
    expect(open).toEqual([]);
  });

  test("has a primary key that leads with the tenant; only an auditor is found by his login", async () => {
    const keys = await rig.store.superuser.query<{ name: string }>(
      `SELECT i.indexrelid::regclass::text AS name FROM pg_index i
         JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'heauth'::regnamespace AND i.indisprimary AND i.indkey[0] <> a.attnum`,
    );
    expect(keys.map(({ name }) => name)).toEqual(["auditor_pkey"]);
  });
});
