import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { MemoryCluster } from "../../testing/memory-cluster.ts";
import { ACME, ControllerRig, WEB } from "../testing/controller-rig.ts";

let rig: ControllerRig;
let id: string;

beforeEach(async () => {
  rig = await ControllerRig.open(new MemoryCluster());
  rig.tenant();
  rig.policy();
  await rig.settle();
  id = rig.status.of(ACME)?.tenantId ?? "";
  rig.anchors.notes.set(id, "the anchor");
  rig.tenant({}, { tenantId: id });
  await asBeforeItExisted();
});
afterEach(() => rig.end());

/** A backup of before the tenant existed is restored. */
async function asBeforeItExisted(): Promise<void> {
  await rig.rows("UPDATE tenant SET deleted_at = now(), reclaim_policy = 'Delete' WHERE id = $1", id);
  await rig.rows("SELECT heauth.drop_tenant($1, 10000)", id);
  rig.restart();
}

const ready = () => rig.status.word(ACME, "Ready");
const tenants = () =>
  rig.rows<{ id: string; deleted: boolean }>("SELECT id, deleted_at IS NOT NULL AS deleted FROM tenant");

test("a Tenant whose tenant the database does not have any more is not made anew, and says so", async () => {
  await rig.settle();
  expect([ready(), await tenants()]).toEqual(["False DataMissing", []]);
  expect(rig.status.message(ACME, "Ready")).toMatch(new RegExp(`${id}.*heauth.io/adopt: ${id}`));
  expect(rig.status.word(WEB, "ResolvedRefs")).toBe("False TenantNotReady");
  const { writes } = rig.status;
  await rig.settle();
  expect(rig.status.writes).toBe(writes);
});

test("annotated, it is made anew as the tenant that it was: its anchor is the log's", async () => {
  rig.tenant({}, { tenantId: id, annotations: { "heauth.io/adopt": id } });
  await rig.settle();
  expect([ready(), rig.status.of(ACME)?.tenantId, await tenants()]).toEqual([
    "True Ready",
    id,
    [{ id, deleted: false }],
  ]);
  expect([rig.status.word(WEB, "ResolvedRefs"), rig.anchors.notes.get(id)]).toEqual([
    "True ResolvedRefs",
    "the anchor",
  ]);
});

test("annotated with another id it is not", async () => {
  rig.tenant({}, { tenantId: id, annotations: { "heauth.io/adopt": "0192aaaa-0000-7000-8000-000000000000" } });
  await rig.settle();
  expect([ready(), await tenants()]).toEqual(["False DataMissing", []]);
});

test("what an earlier Tenant of the name had in that backup is not its own: that is ended, and kept", async () => {
  rig.source.remove(ACME);
  rig.tenant();
  await rig.settle();
  const [earlier] = await tenants();
  rig.source.remove(ACME);
  rig.tenant({}, { tenantId: id });
  await rig.settle();
  expect([ready(), await tenants()]).toEqual(["False DataMissing", [{ id: earlier?.id, deleted: true }]]);
});

test.each([
  ["kept", "Retain", [["the anchor"]]],
  ["gone with the data", "Delete", [[]]],
])("deleted, its anchor is %s: %s", async (_, reclaimPolicy, [kept]) => {
  rig.tenant({ reclaimPolicy }, { tenantId: id });
  await rig.settle();
  rig.source.delete(ACME);
  await rig.settle();
  expect([[...rig.anchors.kept.values()], rig.source.get("Tenant", "", "acme")]).toEqual([kept, undefined]);
});
