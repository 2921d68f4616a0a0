// What the CRDs let through, with nobody else to refuse it: the reconciler says the field, and what was good stays in force.
import { authPolicy, changed, type InvalidResource, invalidResources, tenant } from "@heauth/core/resources/testing";
import { AUTH_POLICIES, type KubeObject, NAMESPACES, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { namespaceObject } from "../../operator/testing/kube-objects.ts";
import { installWebhook, startReplica, type TestReplica } from "../../operator/webhook/testing/webhook-rig.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import { conditionOf, type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";

type Wrong = Pick<InvalidResource, "name" | "resource" | "code" | "field">;

const of = (
  valid: typeof tenant | typeof authPolicy,
  rows: readonly (readonly [path: string, value: unknown, code: Wrong["code"], field: string])[],
): Wrong[] =>
  rows.map(([path, value, code, field]) => ({
    name: `${valid.kind} with ${path}: ${JSON.stringify(value)}`,
    resource: changed(valid, path, value),
    code,
    field,
  }));

const when = (expression: string) => ["spec.rules.2.when", expression, "Invalid", "spec.rules[2].when"] as const;
const path = (value: string) =>
  ["spec.rules.0.match.0.path.value", value, "Invalid", "spec.rules[0].match[0].path.value"] as const;
const notBuilt = invalidResources.filter(({ webhookOnly }) => webhookOnly);

/** What only who knows CEL, paths and this version can find. */
const wrongPolicies: readonly Wrong[] = [
  ...notBuilt.filter(({ resource }) => (resource as KubeObject).kind === "AuthPolicy"),
  ...of(authPolicy, [
    when("request.method =="),
    when("user.name == 'x'"),
    when("session.subject"),
    when("1 + 1"),
    when("session.subject == 1"),
    when("request.path.matches('^(a+)+$')"),
    path("/%61"),
  ]),
];
/** What is good for others, and not for this tenant. */
const greedyPolicies = of(authPolicy, [
  ["spec.authentication.maxStaleness", "61s", "LimitExceeded", "spec.authentication.maxStaleness"],
  ["spec.authentication.audiences", ["bank"], "LimitExceeded", "spec.authentication.audiences[0]"],
  ["spec.audit.durability", "BestEffort", "LimitExceeded", "spec.audit.durability"],
  ["spec.rules.1.durability", "BestEffort", "LimitExceeded", "spec.rules[1].durability"],
  ["spec.upstream.forwardCredentials", true, "LimitExceeded", "spec.upstream.forwardCredentials"],
]);
const wrongTenants = notBuilt.filter(({ resource }) => (resource as KubeObject).kind === "Tenant");

describeKube("resources that are wrong in a way that the CRDs can't know", () => {
  let rig: OperatorRig;
  let webhook: TestReplica | undefined;
  let stored: Record<"policy" | "tenant", unknown>;

  beforeAll(async () => {
    rig = await startOperatorRig();
    await rig.api.client.create(NAMESPACES, namespaceObject("shop"));
    await (await rig.startOperator()).ready();
    await put(tenant);
    await put(authPolicy);
    await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "True", { namespace: "shop" });
    stored = await rows();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await webhook?.stop();
    await rig?.stop();
  });

  const put = (resource: object) => {
    const object = resource as KubeObject;
    const type = object.kind === "Tenant" ? TENANTS : AUTH_POLICIES;
    return rig.api.client.apply<KubeObject>(type, object, { fieldManager: "somebody" });
  };
  /** With the transaction that wrote it: written again it would be another. */
  const rows = async () => ({
    policy: await rig.store.superuser.query("SELECT xmin, policy.* FROM policy"),
    tenant: await rig.store.superuser.query("SELECT xmin, tenant.* FROM tenant"),
  });
  const seen = (kind: "Tenant" | "AuthPolicy", generation: number | undefined) =>
    rig.until(
      kind === "Tenant" ? "tenant/acme" : "authpolicy/web",
      ({ status }) => status?.observedGeneration === generation,
      kind === "Tenant" ? {} : { namespace: "shop" },
    );
  const condition = ({ status }: Resource, type: string) => status?.conditions?.find((each) => each.type === type);
  const refusal = ({ code, field }: Pick<Wrong, "code" | "field">) => ({
    status: "False",
    reason: code,
    message: expect.stringContaining(`${field}: `),
  });

  test.each([...greedyPolicies, ...wrongPolicies])("$name", async (wrong) => {
    const { metadata } = await put(wrong.resource);
    const web = await seen("AuthPolicy", metadata.generation);
    expect(condition(web, "Accepted")).toMatchObject({ ...refusal(wrong), observedGeneration: metadata.generation });
    expect(condition(web, "Enforced")).toMatchObject({ status: "False", reason: "NotAccepted" });
    expect(web.status?.policyDigest).toBe((stored.policy as { digest: string }[])[0]?.digest);
    expect(await rows()).toEqual(stored);
  });

  test.each(wrongTenants)("$name", async (wrong) => {
    const { metadata } = await put(wrong.resource);
    const acme = await seen("Tenant", metadata.generation);
    expect(condition(acme, "Ready")).toMatchObject({
      ...refusal({ code: "Invalid", field: wrong.field }),
      observedGeneration: metadata.generation,
    });
    expect(conditionOf(acme, "LedgerSealed")).toBe("True");
    expect(await rows()).toEqual(stored);
  });

  test("an operator that never saw what was good says the same, and leaves it in force", async () => {
    const before = [await rig.get("tenant/acme"), await rig.get("authpolicy/web", "shop")];
    for (const operator of rig.operators()) expect(await operator.stop()).toBe(0);
    const next = await rig.startOperator();
    await next.said(({ msg }) => msg === "everything has been reconciled once");
    expect(await rows()).toEqual(stored);
    const now = [await rig.get("tenant/acme"), await rig.get("authpolicy/web", "shop")];
    expect(
      now.map(({ status }) => status?.conditions?.filter(({ type }) => type === "Ready" || type === "Accepted")),
    ).toEqual(
      before.map(({ status }) => status?.conditions?.filter(({ type }) => type === "Ready" || type === "Accepted")),
    );
    expect(now.map(({ status }) => [status?.tenantId, status?.policyDigest])).toEqual(
      before.map(({ status }) => [status?.tenantId, status?.policyDigest]),
    );
  }, 120_000);

  test("under a tenant that is not known to be good nothing changes, and a policy that never was good is not in force", async () => {
    const { metadata } = await put(changed(authPolicy, "spec.mode", "Shadow"));
    const web = await seen("AuthPolicy", metadata.generation);
    expect(conditionOf(web, "Accepted")).toBe("True");
    expect(condition(web, "ResolvedRefs")).toMatchObject({ status: "False", reason: "TenantInvalid" });
    await put(changed(changed(authPolicy, "metadata.name", "new"), "spec.rules.2.when", "1 + 1"));
    const never = await rig.until("authpolicy/new", ({ status }) => status !== undefined, { namespace: "shop" });
    expect(condition(never, "Accepted")).toMatchObject(refusal({ code: "Invalid", field: "spec.rules[2].when" }));
    expect(never.status?.policyDigest).toBeUndefined();
    expect(await rows()).toEqual(stored);
  });

  test("corrected, they are in force, and say so", async () => {
    const acme = await seen("Tenant", (await put(tenant)).metadata.generation);
    expect(conditionOf(acme, "Ready")).toBe("True");
    const right = { namespace: "shop" };
    const web = await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "True", right);
    expect(conditionOf(web, "Accepted")).toBe("True");
    await put(changed(authPolicy, "metadata.name", "new"));
    await rig.until("authpolicy/new", (each) => conditionOf(each, "ResolvedRefs") === "True", right);
    const modes = await rig.store.superuser.query(
      "SELECT name, convert_from(compiled, 'UTF8')::json ->> 'mode' AS mode FROM policy ORDER BY name",
    );
    expect(modes).toEqual([
      { name: "new", mode: "Enforce" },
      { name: "web", mode: "Shadow" },
    ]);
  });

  test("limits that are raised let in what was too much", async () => {
    const { metadata } = await put(changed(authPolicy, "spec.authentication.maxStaleness", "5m"));
    expect(conditionOf(await seen("AuthPolicy", metadata.generation), "Accepted")).toBe("False");
    await put(changed(tenant, "spec.limits.maxStaleness", "5m"));
    const web = await rig.until("authpolicy/web", (each) => conditionOf(each, "Accepted") === "True", {
      namespace: "shop",
    });
    expect(web.status?.observedGeneration).toBe(metadata.generation);
    await put(tenant);
    await rig.until("authpolicy/web", (each) => conditionOf(each, "Accepted") === "False", { namespace: "shop" });
  });

  test("with the webhook, kubectl is refused, and says the field", async () => {
    await installWebhook(rig.api);
    webhook = await startReplica(rig.api);
    for (const { resource, field } of [...wrongPolicies, ...wrongTenants]) {
      const { code, stderr } = await rig.api.kubectl(["apply", "-f", "-"], JSON.stringify(resource));
      expect(code).toBe(1);
      expect(stderr).toContain(`${field}: `);
    }
  }, 60_000);
});
