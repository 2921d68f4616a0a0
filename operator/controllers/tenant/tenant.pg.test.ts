import { invalidResources, tenant as validTenant } from "@heauth/core/resources/testing";
import { raiseAlerts } from "@heauth/store";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { FINALIZER } from "../../source/marks.ts";
import { MemoryCluster } from "../../testing/memory-cluster.ts";
import { ACME, ControllerRig } from "../testing/controller-rig.ts";

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
const meta = () => rig.source.get("Tenant", "", "acme")?.meta;

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

  test("what failed is tried again soon when its receiver or its Secret has changed, and only then", async () => {
    const secret = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;
    rig.source.secrets.set("acme/hook/k", "none yet");
    rig.tenant({ alerts: hook });
    await rig.settle();
    const id = rig.status.of(ACME)?.tenantId ?? "";
    const occurrence = { reason: "BadSignature", dedupKey: "a", at: Date.now() * 1000, details: {} };
    await rig.operator.tenantTransaction(id, (tx) => raiseAlerts(tx, id, [occurrence]));
    const fail = () => rig.rows("UPDATE alert_delivery SET attempts = 12, next_at = now() + interval '1 hour'");
    const isDueSoon = async () => {
      await rig.reconcile(ACME);
      const rows = await rig.rows<{ soon: boolean }>(
        "SELECT next_at < now() + interval '2 s' AS soon FROM alert_delivery",
      );
      await fail();
      return rows.map(({ soon }) => soon);
    };
    await fail();
    expect(await isDueSoon()).toEqual([false]);
    rig.source.secrets.set("acme/hook/k", secret(1));
    expect(await isDueSoon()).toEqual([true]);
    expect(await isDueSoon()).toEqual([false]);
    rig.source.secrets.delete("acme/hook/k");
    expect(await isDueSoon()).toEqual([true]);
    const [receiver] = hook.receivers;
    rig.tenant({ alerts: { receivers: [{ ...receiver, webhook: { ...receiver?.webhook, url: "https://y.test/" } }] } });
    expect(await isDueSoon()).toEqual([true]);
    await rig.rows("UPDATE alert_delivery SET attempts = 0");
    rig.source.secrets.set("acme/hook/k", secret(2));
    // One that waits for its digest has not failed.
    expect(await isDueSoon()).toEqual([false]);
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
