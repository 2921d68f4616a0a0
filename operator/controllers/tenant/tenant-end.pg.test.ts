import { parseCheckpoint, signCheckpoint } from "@heauth/core/ledger";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { FINALIZER } from "../../source/marks.ts";
import { MemoryCluster } from "../../testing/memory-cluster.ts";
import { ACME, ControllerRig, WEB } from "../testing/controller-rig.ts";

let rig: ControllerRig;
beforeEach(async () => {
  rig = await ControllerRig.open(new MemoryCluster());
});
afterEach(() => rig.end());

const word = (type: Parameters<typeof rig.status.word>[1]) => rig.status.word(ACME, type);
const tenants = () =>
  rig.rows<{ id: string; name: string; deleted: boolean; uid: string; reclaim: string }>(
    `SELECT id, name, deleted_at IS NOT NULL AS deleted, resource_uid AS uid, reclaim_policy AS reclaim FROM tenant ORDER BY name`,
  );
const open = () => rig.rows("SELECT FROM session WHERE closed_at IS NULL");
const meta = () => rig.source.get("Tenant", "", "acme")?.meta;

async function lived(spec: object = {}): Promise<string> {
  rig.tenant(spec);
  rig.policy();
  await rig.settle();
  const id = rig.status.of(ACME)?.tenantId ?? "";
  await rig.session(id);
  rig.anchors.notes.set(id, "the anchor");
  return id;
}

describe("the end of a Tenant", () => {
  test("with Retain: sessions revoked, policies out of force, its data and its anchor kept", async () => {
    const id = await lived();
    rig.source.delete(ACME);
    await rig.settle();
    expect(await tenants()).toEqual([expect.objectContaining({ id, deleted: true, reclaim: "Retain" })]);
    expect(await open()).toEqual([]);
    expect(await rig.rows("SELECT close_reason FROM session")).toEqual([{ close_reason: "TenantDeleted" }]);
    expect(await rig.rows("SELECT FROM policy")).toEqual([]);
    expect(rig.status.word(WEB, "ResolvedRefs")).toBe("False TenantNotFound");
    expect([...rig.anchors.kept]).toEqual([[id, "the anchor"]]);
    expect(meta()).toBeUndefined();
    expect(rig.status.of(ACME)).toBeUndefined();
    const before = await rig.written();
    await rig.settle();
    expect(await rig.written()).toEqual(before);
  });

  test("with Delete: no row of it is left, and its name is free", async () => {
    const id = await lived({ reclaimPolicy: "Delete" });
    rig.anchors.kept.set(id, "older");
    rig.source.delete(ACME);
    await rig.settle();
    for (const table of ["tenant", "segment", "session", "policy", "outbox", "journal"]) {
      expect([table, await rig.rows(`SELECT FROM ${table}`)]).toEqual([table, []]);
    }
    expect([rig.anchors.notes.size, rig.anchors.kept.size, meta()]).toEqual([0, 0, undefined]);
    rig.tenant();
    await rig.settle();
    expect(word("Ready")).toBe("True Ready");
    expect((await tenants())[0]?.id).not.toBe(id);
  });

  test.each([
    ["one that is paused, by what was taken up before", { paused: true, reclaimPolicy: "Delete" }, "retained"],
    ["one that has just been changed, by what it says now", { reclaimPolicy: "Delete" }, "dropped"],
  ])("deletes data of %s", async (_, spec, end) => {
    await lived();
    rig.tenant(spec);
    rig.source.delete(ACME);
    await rig.settle();
    expect(await tenants()).toHaveLength(end === "dropped" ? 0 : 1);
  });

  test("without its finalizer, or while nobody looked, retains the data whatever it said", async () => {
    const id = await lived({ reclaimPolicy: "Delete" });
    rig.source.remove(ACME);
    await rig.settle();
    expect(await tenants()).toEqual([expect.objectContaining({ id, deleted: true, reclaim: "Retain" })]);
    expect([await open(), rig.anchors.kept.get(id)]).toEqual([[], "the anchor"]);
  });

  test("that never had anything lets it go", async () => {
    rig.tenant({ paused: true });
    await rig.settle();
    rig.source.delete(ACME);
    await rig.settle();
    expect([meta(), await tenants()]).toEqual([undefined, []]);
  });

  test("waits for its anchor to be kept", async () => {
    await lived();
    const broken = { ...rig.anchors.keeper, retain: () => Promise.reject(new Error("the API server is away")) };
    rig.restart({ keeper: broken });
    rig.source.delete(ACME);
    await expect(rig.reconcile(ACME)).rejects.toThrow("away");
    expect([meta()?.finalizers, await open(), word("Ready")]).toEqual([[FINALIZER], [], "False Deleting"]);
    rig.restart();
    await rig.settle();
    expect([meta(), rig.anchors.kept.size]).toEqual([undefined, 1]);
  });
});

describe("a Tenant of a name whose data is retained", () => {
  async function retained(): Promise<string> {
    const id = await lived();
    rig.source.delete(ACME);
    await rig.settle();
    rig.anchors.notes.clear();
    return id;
  }

  test("is not its tenant, and says how it could be", async () => {
    const id = await retained();
    const before = await rig.written();
    rig.tenant();
    await rig.settle();
    expect(word("Ready")).toBe("False DataRetained");
    expect(rig.status.message(ACME, "Ready")).toContain(`heauth.io/adopt: ${id}`);
    expect([rig.status.of(ACME)?.tenantId, meta()?.finalizers]).toEqual([undefined, []]);
    expect(rig.status.word(WEB, "ResolvedRefs")).toBe("False TenantNotReady");
    expect(await rig.written()).toEqual(before);
    rig.source.delete(ACME);
    await rig.settle();
    expect([meta(), (await tenants())[0]?.deleted]).toEqual([undefined, true]);
  });

  test("with another id in the annotation is not either", async () => {
    const id = await retained();
    rig.tenant({}, { annotations: { "heauth.io/adopt": "0192aaaa-0000-7000-8000-000000000000" } });
    await rig.settle();
    expect([word("Ready"), (await tenants())[0]?.deleted]).toEqual(["False AdoptionMismatch", true]);
    expect(rig.status.message(ACME, "Ready")).toContain(id);
  });

  test("with its id takes it over: the anchor first, then all is as it was, without its sessions", async () => {
    const id = await retained();
    rig.tenant({}, { annotations: { "heauth.io/adopt": id } });
    let anchorAtAdoption: string | undefined;
    const { operator } = rig;
    const spied = {
      ...operator,
      tenantTransaction: (tenant: string, work: Parameters<typeof operator.tenantTransaction>[1]) => {
        anchorAtAdoption ??= rig.anchors.notes.get(id);
        return operator.tenantTransaction(tenant, work);
      },
    } as typeof operator;
    rig.restart({ database: spied });
    await rig.settle();
    expect(anchorAtAdoption).toBe("the anchor");
    expect(word("Ready")).toBe("True Ready");
    expect(rig.status.of(ACME)?.tenantId).toBe(id);
    expect(await tenants()).toEqual([{ id, name: "acme", deleted: false, uid: meta()?.uid, reclaim: "Retain" }]);
    expect([rig.status.word(WEB, "ResolvedRefs"), await open()]).toEqual(["True ResolvedRefs", []]);
  });

  test.each(["Retain", "Delete"])(
    "made while no operator ran is the same case: what the earlier one left is ended, and kept whatever it said: %s",
    async (reclaimPolicy) => {
      const id = await lived({ reclaimPolicy });
      rig.source.remove(ACME);
      rig.tenant();
      await rig.settle();
      expect(word("Ready")).toBe("False DataRetained");
      expect([await open(), await rig.rows("SELECT FROM policy"), rig.anchors.kept.get(id)]).toEqual([
        [],
        [],
        "the anchor",
      ]);
    },
  );

  test("whose deletion had begun is made anew, under another id", async () => {
    const id = await lived({ reclaimPolicy: "Delete" });
    await rig.rows("UPDATE tenant SET deleted_at = now()");
    rig.source.remove(ACME);
    rig.tenant();
    await rig.settle();
    const [now, ...more] = await tenants();
    expect([word("Ready"), more, now?.deleted]).toEqual(["True Ready", [], false]);
    expect(now?.id).not.toBe(id);
    expect(await rig.rows("SELECT FROM session")).toEqual([]);
    expect(rig.status.word(WEB, "ResolvedRefs")).toBe("True ResolvedRefs");
  });

  test.each([
    ["what is kept", 7, 9],
    ["what the sealer has noted since", 9, 7],
  ])("goes on from %s, which is further on", async (_, noted, kept) => {
    const id = await retained();
    const noteOf = (size: number) =>
      signCheckpoint({ tenant: id, epoch: 0, size, root: Buffer.alloc(32, size) }, rig.keys.operator);
    rig.anchors.notes.set(id, noteOf(noted));
    rig.anchors.kept.set(id, noteOf(kept));
    rig.tenant({}, { annotations: { "heauth.io/adopt": id } });
    await rig.settle();
    expect(parseCheckpoint(rig.anchors.notes.get(id) ?? "").size).toBe(9);
  });

  test("with an annotation and nothing to adopt is not made", async () => {
    rig.tenant({}, { annotations: { "heauth.io/adopt": "0192aaaa-0000-7000-8000-000000000000" } });
    await rig.settle();
    expect([word("Ready"), await tenants()]).toEqual(["False AdoptionMismatch", []]);
  });
});
