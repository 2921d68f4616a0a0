import { invalidResources, tenant as validTenant } from "@heauth/core/resources/testing";
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

describe("a Tenant", () => {
  test("is made once: finalizer, tenant, tag key, conditions, the generation; then nothing is written any more", async () => {
    rig.tenant();
    await rig.settle();
    const [stored] = await tenants();
    expect(stored).toEqual({ id: stored?.id, name: "acme", deleted: false, uid: meta()?.uid, reclaim: "Retain" });
    expect(meta()?.finalizers).toEqual([FINALIZER]);
    expect(rig.status.of(ACME)).toEqual({
      tenantId: stored?.id,
      observedGeneration: 1,
      conditions: [
        { type: "Ready", status: "True", reason: "Ready", message: "" },
        { type: "LedgerSealed", status: "True", reason: "Sealed", message: "" },
        { type: "AlertsDelivering", status: "True", reason: "NoReceivers", message: "nobody is to be told of alerts" },
      ],
    });
    const before = [await rig.written(), rig.status.writes, rig.source.finalizerWrites];
    await rig.settle();
    rig.restart();
    await rig.settle();
    expect([await rig.written(), rig.status.writes, rig.source.finalizerWrites]).toEqual(before);
  });

  test("that changes is followed, with its generation and its reclaim policy", async () => {
    rig.tenant();
    await rig.settle();
    rig.tenant({ sessions: { idleTimeout: "5m" }, reclaimPolicy: "Delete" });
    await rig.settle();
    expect(
      await rig.rows("SELECT settings -> 'sessions' -> 'idleTimeoutMs' AS idle, reclaim_policy FROM tenant"),
    ).toEqual([{ idle: 300_000, reclaim_policy: "Delete" }]);
    expect(rig.status.of(ACME)?.observedGeneration).toBe(2);
    expect(await rig.rows("SELECT kind FROM outbox")).toHaveLength(2);
  });

  test("that is paused keeps what was compiled last; one that never was is not made", async () => {
    rig.tenant({ paused: true });
    await rig.settle();
    expect([word("Ready"), word("Paused"), await tenants()]).toEqual(["False NotCreated", "True Paused", []]);
    expect(meta()?.finalizers).toEqual([]);
    rig.tenant({ sessions: { idleTimeout: "6m" } });
    await rig.settle();
    expect([word("Ready"), word("Paused")]).toEqual(["True Ready", undefined]);
    rig.tenant({ sessions: { idleTimeout: "7m" }, paused: true });
    await rig.settle();
    expect([word("Ready"), word("Paused")]).toEqual(["True Ready", "True Paused"]);
    expect(await rig.rows("SELECT settings -> 'sessions' -> 'idleTimeoutMs' AS idle FROM tenant")).toEqual([
      { idle: 360_000 },
    ]);
  });

  test("changed or robbed of its tag key by hand is put right, and its sessions need not end", async () => {
    rig.tenant();
    await rig.settle();
    await rig.rows("UPDATE tenant SET settings = jsonb_set(settings, '{sessions,idleTimeoutMs}', '1')");
    await rig.rows("DELETE FROM tag_key");
    await rig.settle();
    expect(await rig.rows("SELECT settings -> 'sessions' -> 'idleTimeoutMs' AS idle FROM tenant")).toEqual([
      { idle: 1_800_000 },
    ]);
    expect(await rig.rows("SELECT FROM tag_key")).toHaveLength(1);
    await rig.rows("UPDATE tenant SET deleted_at = now()");
    await rig.settle();
    expect((await tenants())[0]?.deleted).toBe(false);
  });

  test("does not take over a tenant of the API's", async () => {
    await rig.rows(
      `INSERT INTO tenant (id, name, managed_by, settings, email, password_hash)
       VALUES (gen_random_uuid(), 'acme', 'API', '{}', 'a@acme.test', 'x')`,
    );
    rig.tenant();
    await rig.settle();
    expect([word("Ready"), meta()?.finalizers]).toEqual(["False ManagedByAPI", []]);
    await rig.rows("UPDATE tenant SET deleted_at = now()");
    await rig.settle();
    expect(word("Ready")).toBe("False NameTaken");
    expect(rig.status.of(ACME)?.tenantId).toBeUndefined();
  });

  const invalid = invalidResources.filter(({ resource }) => {
    const { kind, metadata } = resource as { kind?: string; metadata?: { name?: string } };
    return kind === "Tenant" && metadata?.name === "acme" && "spec" in resource;
  });
  test(`that is invalid says what field is at fault, and the last good stays: ${invalid.length} ways`, async () => {
    expect(invalid.length).toBeGreaterThan(25);
    const put = (resource: object) => rig.source.put(resource as Parameters<MemoryCluster["put"]>[0]);
    put(validTenant);
    await rig.settle();
    const before = await rig.written();
    for (const { name, resource, code, field } of invalid) {
      put(resource);
      await rig.reconcile(ACME);
      expect([name, word("Ready")]).toEqual([name, "False Invalid"]);
      expect(rig.status.message(ACME, "Ready")).toContain(`${field}:`);
      expect(rig.status.message(ACME, "Ready")).toContain(`(${code})`);
      expect(rig.status.of(ACME)?.observedGeneration).toBe(meta()?.generation);
    }
    expect(await rig.written()).toEqual(before);
    put(validTenant);
    await rig.reconcile(ACME);
    expect(word("Ready")).toBe("True Ready");
  });
});

describe("conditions that others' doings make", () => {
  const hook = {
    receivers: [{ name: "secops", webhook: { url: "https://x.test/", signingSecretRef: { name: "hook", key: "k" } } }],
  };

  test("LedgerSealed and AlertsDelivering follow what the jobs found", async () => {
    rig.source.secrets.set("acme/hook/k", `whsec_${Buffer.alloc(32, 1).toString("base64")}`);
    rig.tenant({ alerts: hook });
    await rig.settle();
    const id = rig.status.of(ACME)?.tenantId ?? "";
    expect([word("LedgerSealed"), word("AlertsDelivering")]).toEqual(["True Sealed", "True Delivering"]);
    const failing = [
      { receiver: "secops", error: "no answer within 5000 ms" },
      { receiver: "removed", error: "x" },
    ];
    rig.troubles.set(id, { id, name: "acme", halted: "RolledBack: size 3", failing });
    await rig.settle();
    expect([word("LedgerSealed"), word("AlertsDelivering")]).toEqual(["False Halted", "False DeliveryFailing"]);
    expect(rig.status.message(ACME, "LedgerSealed")).toBe("RolledBack: size 3");
    expect(rig.status.message(ACME, "AlertsDelivering")).toBe("receiver secops: no answer within 5000 ms");
    rig.troubles.clear();
    await rig.settle();
    expect([word("LedgerSealed"), word("AlertsDelivering")]).toEqual(["True Sealed", "True Delivering"]);
  });

  test.each([
    ["is not there", () => ({ ok: false, reason: "NotFound" }) as const, "there is no Secret hook"],
    [
      "is not labelled",
      () => ({ ok: false, reason: "NotForTenant" }) as const,
      "Secret hook does not have the label heauth.io/tenant: acme",
    ],
    ["lacks the key", () => ({ ok: false, reason: "NoSuchKey" }) as const, "Secret hook has no key k"],
    [
      "is no secret",
      () => ({ ok: true, value: Buffer.from("hunter2") }) as const,
      "key k of Secret hook is no signing secret",
    ],
  ])("a receiver whose Secret %s is named, and the Secret's value is not", async (_, secret, message) => {
    rig.source.secret = secret;
    rig.tenant({ alerts: hook });
    await rig.settle();
    expect([word("AlertsDelivering"), rig.status.message(ACME, "AlertsDelivering")]).toEqual([
      "False SecretUnusable",
      `receiver secops: ${message}`,
    ]);
  });
});

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

  test("made while no operator ran is the same case: what the earlier one left is ended", async () => {
    const id = await lived();
    rig.source.remove(ACME);
    rig.tenant();
    await rig.settle();
    expect(word("Ready")).toBe("False DataRetained");
    expect([await open(), await rig.rows("SELECT FROM policy"), rig.anchors.kept.get(id)]).toEqual([
      [],
      [],
      "the anchor",
    ]);
  });

  test("that was to be deleted with the earlier one is made anew, under another id", async () => {
    const id = await lived({ reclaimPolicy: "Delete" });
    rig.source.remove(ACME);
    rig.tenant();
    await rig.settle();
    const [now, ...more] = await tenants();
    expect([word("Ready"), more, now?.deleted]).toEqual(["True Ready", [], false]);
    expect(now?.id).not.toBe(id);
    expect(await rig.rows("SELECT FROM session")).toEqual([]);
    expect(rig.status.word(WEB, "ResolvedRefs")).toBe("True ResolvedRefs");
  });

  test("with an annotation and nothing to adopt is not made", async () => {
    rig.tenant({}, { annotations: { "heauth.io/adopt": "0192aaaa-0000-7000-8000-000000000000" } });
    await rig.settle();
    expect([word("Ready"), await tenants()]).toEqual(["False AdoptionMismatch", []]);
  });
});
