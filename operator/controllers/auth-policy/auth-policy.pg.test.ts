import { compile } from "@heauth/core/policy";
import { invalidResources, authPolicy as validPolicy } from "@heauth/core/resources/testing";
import { policiesIn } from "@heauth/store";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { ResourceKey } from "../../source/source.ts";
import { MemoryCluster } from "../../testing/memory-cluster.ts";
import { ACME, ControllerRig, WEB } from "../testing/controller-rig.ts";

const API: ResourceKey = { kind: "AuthPolicy", namespace: "shop", name: "api" };

let rig: ControllerRig;
beforeEach(async () => {
  rig = await ControllerRig.open(new MemoryCluster());
  rig.tenant();
});
afterEach(() => rig.end());

const word = (type: Parameters<typeof rig.status.word>[1], key = WEB) => rig.status.word(key, type);
const stored = () => rig.operator.read((tx) => policiesIn(tx, "shop"));
const inForce = async () => (await stored()).map(({ name }) => name);
const words = () => [word("Accepted"), word("ResolvedRefs"), word("Enforced")];

describe("an AuthPolicy", () => {
  test("comes into force once, and then nothing is written any more", async () => {
    rig.policy();
    await rig.settle();
    const [policy] = await stored();
    expect(policy).toMatchObject({
      tenantId: rig.status.of(ACME)?.tenantId,
      selector: { matchLabels: { app: "web" } },
      createdAtMs: rig.source.get("AuthPolicy", "shop", "web")?.meta.createdAtMs,
    });
    expect(rig.status.of(WEB)).toEqual({
      policyDigest: policy?.digest,
      observedGeneration: 1,
      pods: { selected: 0, injected: 0, synced: 0 },
      conditions: [
        { type: "Accepted", status: "True", reason: "Accepted", message: "" },
        { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "" },
        { type: "Enforced", status: "True", reason: "NoPods", message: "it selects no pod" },
        { type: "Conflicted", status: "False", reason: "NoConflict", message: "" },
      ],
    });
    rig.source.pod("web-0");
    await rig.settle();
    const before = [await rig.written(), rig.status.writes];
    await rig.settle();
    rig.restart();
    await rig.settle();
    expect([await rig.written(), rig.status.writes]).toEqual(before);
  });

  test("that changes is followed, be it only in its pods", async () => {
    rig.policy();
    await rig.settle();
    const [first] = await stored();
    rig.policy({ selector: { matchExpressions: [{ key: "tier", operator: "Exists" }] } });
    await rig.settle();
    const [second] = await stored();
    expect(second).toEqual({ ...first, selector: { matchExpressions: [{ key: "tier", operator: "Exists" }] } });
    expect(rig.status.of(WEB)?.observedGeneration).toBe(2);
    rig.policy({ mode: "Shadow" });
    await rig.settle();
    expect((await stored())[0]?.digest).not.toBe(first?.digest);
    expect(rig.status.of(WEB)?.policyDigest).toBe((await stored())[0]?.digest);
  });

  test.each([
    ["its compiled bytes", "UPDATE policy SET compiled = '{}'"],
    ["its digest", "UPDATE policy SET digest = 'sha256:x'"],
    ["its selector", `UPDATE policy SET selector = '{"matchLabels": {"app": "nobody"}}'`],
    ["its age", "UPDATE policy SET created_at_ms = 0"],
    ["its row", "DELETE FROM policy"],
  ])("of which somebody changed %s in the database is put right", async (_, sql) => {
    rig.policy();
    await rig.settle();
    const before = await stored();
    await rig.rows(sql);
    expect(await stored()).not.toEqual(before);
    await rig.settle();
    expect(await stored()).toEqual(before);
  });

  test("that somebody put into the database without a resource goes", async () => {
    rig.policy();
    await rig.settle();
    await rig.rows("UPDATE policy SET name = 'planted'");
    await rig.settle();
    expect(await inForce()).toEqual(["web"]);
  });

  test("that is gone is out of force, also when it went while nobody looked", async () => {
    rig.policy();
    await rig.settle();
    rig.source.remove(WEB);
    await rig.settle();
    expect([await inForce(), rig.status.of(WEB)]).toEqual([[], undefined]);
  });

  const invalid = invalidResources.filter(({ resource }) => {
    const { kind, metadata } = resource as { kind?: string; metadata?: { name?: string; namespace?: string } };
    return kind === "AuthPolicy" && metadata?.name === "web" && metadata.namespace === "shop";
  });
  test(`that is invalid says what field is at fault, and the last good stays: ${invalid.length} ways`, async () => {
    expect(invalid.length).toBeGreaterThan(40);
    const put = (resource: object) => rig.source.put(resource as Parameters<MemoryCluster["put"]>[0]);
    put(validPolicy);
    await rig.settle();
    expect(word("Accepted")).toBe("True Accepted");
    const before = await rig.written();
    for (const { name, resource, code, field } of invalid) {
      put(resource);
      await rig.reconcile(WEB);
      expect([name, word("Accepted")]).toEqual([name, `False ${code}`]);
      expect(rig.status.message(WEB, "Accepted")).toContain(`${field}:`);
      expect(word("Enforced")).toBe("False NotAccepted");
    }
    expect(await rig.written()).toEqual(before);
    put(validPolicy);
    await rig.reconcile(WEB);
    expect(words()).toEqual(["True Accepted", "True ResolvedRefs", "True NoPods"]);
  });

  const limits: [string, object, object][] = [
    [
      "spec.authentication.maxStaleness",
      { authentication: { maxStaleness: "2m" } },
      { limits: { maxStaleness: "2m" } },
    ],
    ["spec.mode", { mode: "Enforce" }, { limits: { modes: ["Enforce"] } }],
    ["spec.audit.durability", { audit: { durability: "BestEffort" } }, { limits: { durability: ["BestEffort"] } }],
    [
      "spec.upstream.forwardCredentials",
      { upstream: { forwardCredentials: true } },
      { limits: { forwardCredentials: true } },
    ],
    ["spec.authentication.audiences[0]", { authentication: { audiences: ["clinic"] } }, { audiences: ["clinic"] }],
  ];
  test.each(limits)(
    "beyond its tenant's limits in %s is not accepted, and the last good stays",
    async (field, spec, allowing) => {
      rig.tenant({ limits: { modes: ["Shadow"] } });
      rig.policy({ mode: "Shadow" });
      await rig.settle();
      const before = await stored();
      rig.policy({ mode: "Shadow", ...spec });
      await rig.settle();
      expect(words()).toEqual(["False LimitExceeded", "True ResolvedRefs", "False NotAccepted"]);
      expect(rig.status.message(WEB, "Accepted")).toContain(`${field}:`);
      expect(await stored()).toEqual(before);
      expect(rig.status.of(WEB)?.policyDigest).toBe(before[0]?.digest);
      rig.tenant(allowing);
      await rig.settle();
      expect(word("Accepted")).toBe("True Accepted");
      expect(await stored()).not.toEqual(before);
    },
  );

  test("that never was valid puts nothing in force", async () => {
    rig.policy({ mode: "Audit" });
    rig.source.pod("web-0");
    await rig.settle();
    expect([await inForce(), word("Accepted"), word("Enforced")]).toEqual([[], "False Invalid", "False NotAccepted"]);
  });

  test("that is paused, or whose tenant is, stays as it was compiled last", async () => {
    rig.policy();
    await rig.settle();
    const before = await stored();
    rig.policy({ paused: true, mode: "Shadow" });
    await rig.settle();
    expect([word("Paused"), await stored()]).toEqual(["True Paused", before]);
    rig.policy({ mode: "Shadow" });
    rig.tenant({ paused: true, audiences: ["clinic"] });
    await rig.settle();
    expect([word("Paused"), await stored()]).toEqual(["True Paused", before]);
    rig.tenant({ audiences: ["clinic"] });
    await rig.settle();
    expect(word("Paused")).toBeUndefined();
    expect(await stored()).not.toEqual(before);
  });
});

describe("the tenant that an AuthPolicy refers to", () => {
  test.each<[string, () => void, string]>([
    ["is not there", () => rig.source.remove(ACME), "False TenantNotFound"],
    ["forbids the namespace", () => rig.tenant({ allowedNamespaces: { from: "None" } }), "False TenantNotPermitted"],
    [
      "selects other namespaces",
      () => rig.tenant({ allowedNamespaces: { from: "Selector", selector: { matchLabels: { team: "acme" } } } }),
      "False TenantNotPermitted",
    ],
  ])("%s: out of force, and in force again with it", async (_, change, expected) => {
    rig.policy();
    await rig.settle();
    expect(await inForce()).toEqual(["web"]);
    change();
    await rig.settle();
    expect([word("ResolvedRefs"), word("Enforced"), await inForce()]).toEqual([expected, "False NotInForce", []]);
    expect(rig.status.of(WEB)?.policyDigest).toBeUndefined();
    const id = (await rig.rows<{ id: string }>("SELECT id FROM tenant"))[0]?.id ?? "";
    rig.tenant({}, { annotations: { "heauth.io/adopt": id } });
    await rig.settle();
    expect([word("ResolvedRefs"), await inForce()]).toEqual(["True ResolvedRefs", ["web"]]);
  });

  test("selects namespaces by their labels, as these change", async () => {
    rig.tenant({ allowedNamespaces: { from: "Selector", selector: { matchLabels: { team: "acme" } } } });
    rig.policy();
    await rig.settle();
    expect([word("ResolvedRefs"), await inForce()]).toEqual(["False TenantNotPermitted", []]);
    rig.source.namespaces.set("shop", { team: "acme" });
    await rig.settle();
    expect([word("ResolvedRefs"), await inForce()]).toEqual(["True ResolvedRefs", ["web"]]);
    rig.source.namespaces.set("shop", { team: "other" });
    await rig.settle();
    expect([word("ResolvedRefs"), await inForce()]).toEqual(["False TenantNotPermitted", []]);
  });

  test("that is not valid, or not there yet, takes nothing away", async () => {
    rig.policy();
    await rig.settle();
    rig.restart();
    rig.source.remove(ACME);
    rig.tenant({ audiences: [] });
    await rig.reconcile(WEB);
    expect([word("ResolvedRefs"), await inForce()]).toEqual(["False TenantInvalid", ["web"]]);
    const late = await ControllerRig.open(new MemoryCluster());
    try {
      late.tenant();
      late.policy();
      expect(await late.reconcile(WEB)).toMatchObject({ outcome: "invalid", requeue: { requeueAfterMs: 1_000 } });
      expect(late.status.word(WEB, "ResolvedRefs")).toBe("False TenantNotReady");
    } finally {
      await late.end();
    }
  });
});

describe("how far a policy has come", () => {
  const settled = async () => {
    await rig.settle();
    return [word("Enforced"), rig.status.of(WEB)?.pods];
  };
  const counts = (selected: number, injected: number, synced: number) => ({ selected, injected, synced });

  test("from bare pods to sidecars that go by its newest digest", async () => {
    rig.policy();
    const pods = ["web-0", "web-1"].map((name) => rig.source.pod(name, { injected: false }));
    rig.source.pod("other", { labels: { app: "api" } });
    rig.source.pod("leaving", { deleting: true });
    expect(await settled()).toEqual(["False PodsNotInjected", counts(2, 0, 0)]);
    expect(rig.status.message(WEB, "Enforced")).toBe("without heauth's sidecar: web-0, web-1");
    for (const pod of pods) rig.source.pod(pod.name, { ...pod, injected: true });
    expect(await settled()).toEqual(["False Syncing", counts(2, 2, 0)]);
    await rig.ack({ name: "web-0", uid: pods[0]?.uid ?? "" });
    expect(await settled()).toEqual(["False Syncing", counts(2, 2, 1)]);
    expect(rig.status.message(WEB, "Enforced")).toBe("not yet at 1 of 2 pods: web-1");
    await rig.ack({ name: "web-1" });
    expect(await settled()).toEqual(["True Enforced", counts(2, 2, 2)]);
    rig.policy({ mode: "Shadow" });
    expect(await settled()).toEqual(["False Syncing", counts(2, 2, 0)]);
    for (const { name } of pods) await rig.ack({ name });
    expect(await settled()).toEqual(["True Enforced", counts(2, 2, 2)]);
    rig.source.endPod({ namespace: "shop", name: "web-1" });
    expect(await settled()).toEqual(["True Enforced", counts(1, 1, 1)]);
  });

  test("names five pods and counts the others", async () => {
    rig.policy();
    for (let n = 0; n < 7; n++) rig.source.pod(`web-${n}`, { injected: false });
    await rig.settle();
    expect(rig.status.message(WEB, "Enforced")).toBe(
      "without heauth's sidecar: web-0, web-1, web-2, web-3, web-4 and 2 more",
    );
  });

  test("sidecars that lack features, or refuse it, are told apart from those that are late", async () => {
    rig.policy();
    const pod = rig.source.pod("web-0");
    await rig.settle();
    await rig.ack(pod, { enforced: false, missingFeatures: ["shadow", "condition"] });
    expect(await settled()).toEqual(["False SidecarTooOld", counts(1, 1, 0)]);
    expect(rig.status.message(WEB, "Enforced")).toBe("sidecars that lack condition, shadow: web-0");
    await rig.ack(pod, { enforced: false, message: "it can't be read" });
    expect(await settled()).toEqual(["False SidecarRefused", counts(1, 1, 0)]);
    await rig.ack(pod, { enforced: false, missingFeatures: ["shadow"], digest: "sha256:older" });
    expect(await settled()).toEqual(["False Syncing", counts(1, 1, 0)]);
  });

  test("what an earlier pod of the same name said does not count, and is forgotten after a while", async () => {
    rig.policy();
    const pod = rig.source.pod("web-0");
    await rig.settle();
    await rig.ack(pod);
    await rig.ack({ name: "gone" });
    expect(await settled()).toEqual(["True Enforced", counts(1, 1, 1)]);
    const acked = () => rig.rows("SELECT pod FROM policy_ack ORDER BY pod");
    expect(await acked()).toEqual([{ pod: "shop/gone" }, { pod: "shop/web-0" }]);
    await rig.rows("UPDATE policy_ack SET updated_at = now() - interval '11 minutes'");
    rig.source.pod("web-0");
    expect(await settled()).toEqual(["False Syncing", counts(1, 1, 0)]);
    expect(await acked()).toEqual([{ pod: "shop/web-0" }]);
  });

  test("of two policies on one pod the older one wins; the other says so, and takes over when that goes", async () => {
    const older = { name: "zz-older", namespace: "shop" };
    rig.policy({ selector: { matchExpressions: [{ key: "app", operator: "In", values: ["web", "api"] }] } }, older);
    rig.policy();
    const pod = rig.source.pod("web-0");
    rig.source.pod("api-0", { labels: { app: "api" } });
    await rig.settle();
    const OLDER = { ...WEB, name: "zz-older" };
    expect([word("Conflicted"), word("Enforced")]).toEqual(["True SelectedByAnother", "False Conflicted"]);
    expect(rig.status.message(WEB, "Conflicted")).toBe("shop/zz-older is older and protects web-0");
    expect(word("Conflicted", OLDER)).toBe("False NoConflict");
    // What doesn't meet on a pod does not conflict.
    rig.policy({ selector: { matchLabels: { app: "api", tier: "back" } } }, API);
    await rig.settle();
    expect(word("Conflicted", API)).toBe("False NoConflict");
    rig.source.remove(OLDER);
    // Only what it tells of: nobody looks at everything.
    const { affects = [] } = await rig.reconcile(OLDER);
    expect(affects).toEqual([WEB]);
    for (const key of affects) await rig.reconcile(key);
    expect([word("Conflicted"), word("Enforced")]).toEqual(["False NoConflict", "False Syncing"]);
    await rig.ack(pod);
    expect(await settled()).toEqual(["True Enforced", counts(1, 1, 1)]);
  });

  test("as old, the first by name wins; and a change of pods makes and ends conflicts", async () => {
    const at = { createdAtMs: 1_700_000_000_000 };
    const put = (name: string, app: string) =>
      rig.source.put(
        {
          kind: "AuthPolicy",
          metadata: { name, namespace: "shop" },
          spec: {
            tenantRef: { name: "acme" },
            selector: { matchLabels: { app } },
            ports: [{ port: 80, protocol: "HTTP" }],
          },
        },
        at,
      );
    put("web", "web");
    put("api", "web");
    rig.source.pod("web-0");
    await rig.settle();
    expect([word("Conflicted"), word("Conflicted", API)]).toEqual(["True SelectedByAnother", "False NoConflict"]);
    put("api", "other");
    const { affects } = await rig.reconcile(API);
    expect(affects).toEqual([WEB]);
    await rig.reconcile(WEB);
    expect(word("Conflicted")).toBe("False NoConflict");
  });
});

test("what is stored is what compile makes of the policy, its tenant and the namespace", async () => {
  rig.policy();
  await rig.settle();
  const [policy] = await stored();
  const resource = rig.source.get("Tenant", "", "acme")?.inForce;
  const written = rig.source.get("AuthPolicy", "shop", "web")?.inForce;
  if (policy === undefined || resource === undefined || written === undefined) throw new Error("it was not stored");
  const compiled = compile({ tenant: { id: policy.tenantId, resource }, issuer: "https://id.test", policy: written });
  expect(compiled.ok && Buffer.from(compiled.bytes)).toEqual(policy.compiled);
});
