import { compile } from "@heauth/core/policy";
import { invalidResources, authPolicy as validPolicy } from "@heauth/core/resources/testing";
import { policiesIn } from "@heauth/store";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { MemoryCluster } from "../../testing/memory-cluster.ts";
import { ACME, ControllerRig, WEB } from "../testing/controller-rig.ts";

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
