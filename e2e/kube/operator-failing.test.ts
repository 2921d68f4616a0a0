// A Tenant that the database does not let go: the resource itself says so, until it does.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import { type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";
import { Tenancy } from "./testing/tenancy.ts";

describeKube("a Tenant whose deletion fails", () => {
  let rig: OperatorRig;
  let tenancy: Tenancy;

  beforeAll(async () => {
    rig = await startOperatorRig();
    await rig.startOperator();
    tenancy = new Tenancy(rig, "acme");
    await tenancy.live();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  test("says so in a condition and in an event, without values of rows, and goes as soon as it can", async () => {
    const { superuser } = rig.store;
    await superuser.query(`CREATE FUNCTION no_end() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN RAISE check_violation USING MESSAGE = 'a private value'; END $$`);
    await superuser.query(`CREATE TRIGGER no_end BEFORE UPDATE ON tenant FOR EACH ROW
      WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION no_end()`);
    await rig.kubectl("delete", "tenant", "acme", "--wait=false");
    const of = ({ status }: Resource, wanted: string) => status?.conditions?.find(({ type }) => type === wanted);
    const failing = await rig.until("tenant/acme", (tenant) => of(tenant, "Reconciled") !== undefined);
    const message = "the database answered 23514; the operator's log says more";
    expect(of(failing, "Reconciled")).toMatchObject({ status: "False", reason: "ReconcileFailed", message });
    expect(of(failing, "Ready")).toMatchObject({ status: "False", reason: "Deleting" });
    expect(JSON.stringify(failing)).not.toContain("private");
    const described = await eventually(
      () => rig.kubectl("describe", "tenant", "acme"),
      (text) => /Warning\s+ReconcileFailed/.test(text),
    );
    expect(described).not.toContain("private");
    await superuser.query("DROP TRIGGER no_end ON tenant");
    await rig.kubectl("wait", "--for=delete", "tenant/acme", "--timeout=60s");
  }, 120_000);
});
