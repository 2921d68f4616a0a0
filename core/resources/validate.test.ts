import { describe, expect, test } from "@jest/globals";
import type { FieldProblem } from "./problem.ts";
import { authPolicy, changed, invalidResources, tenant } from "./testing/index.ts";
import { validateResource } from "./validate.ts";

function problems(document: unknown, old?: Parameters<typeof validateResource>[1]): readonly FieldProblem[] {
  const validated = validateResource(document, old);
  return validated.ok ? [] : validated.problems;
}

const brief = (found: readonly FieldProblem[]) => found.map(({ code, field }) => `${code} ${field}`);

test("every field that is built is accepted", () => {
  expect(problems(tenant)).toEqual([]);
  expect(problems(authPolicy)).toEqual([]);
});

test("little needs to be written; the rest has defaults", () => {
  const validated = validateResource({
    ...tenant,
    spec: { audiences: ["shop"] },
  });
  expect(validated).toMatchObject({
    ok: true,
    resource: {
      spec: {
        allowedNamespaces: { from: "None" },
        registration: "Closed",
        sessions: { idleTimeout: "30m", absoluteTimeout: "12h", maxPerUser: 10, whenFull: "EvictOldest" },
        tokens: { accessLifetime: "10m", rotationGrace: "10s" },
        passwords: { minLength: 15, hash: "Argon2id" },
        limits: { maxStaleness: "60s", durability: ["Local", "Database"], forwardCredentials: false },
      },
    },
  });
});

test.each(invalidResources)("$name is refused", ({ resource, code, field, message }) => {
  const problem = expect.objectContaining({ code, field, expected: expect.stringContaining(message) });
  const found = problems(resource);
  expect(found).toContainEqual(problem);
  if (code === "NotSupported") expect(found).toHaveLength(1);
});

test("what may be a secret stands in no problem, and what is nested too deep to be written is refused too", () => {
  const secret = "whsec_5up3rs3cr3t";
  const hook = "spec.alerts.receivers.0.webhook";
  for (const [path, value] of [
    [`${hook}.signingSecretRef`, secret],
    [`${hook}.url`, `ftp://${secret}`],
    ["spec.alerts.receivers.0", { name: "x", webhook: { url: `https://h/${secret}` }, smtp: { to: ["a@b.test"] } }],
    ["spec.adminSecretRef", secret],
  ] as const) {
    const found = problems(changed(tenant, path, value));
    expect(found).not.toEqual([]);
    expect(JSON.stringify(found)).not.toContain(secret);
  }
  const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
  expect(brief(problems(changed(tenant, "spec.displayName", deep)))).toContain("Invalid spec.displayName");
});

describe("Tenant", () => {
  test.each([
    ["apiVersion", "heauth.io/v1", "Invalid apiVersion"],
    ["metadata.name", undefined, "Required metadata.name"],
    ["metadata.namespace", "shop", "Invalid metadata.namespace"],
  ])("%s: %j is refused as %s", (path, value, expected) => {
    expect(brief(problems(changed(tenant, path, value)))).toContain(expected);
  });

  test.each([
    ["https://alerts.example/x", true],
    ["http://127.0.0.1:8080/hook", true],
    ["http://127.9.9.9/hook", true],
    ["http://localhost:8080", true],
    ["http://[::1]:8080/hook?x=1", true],
    ["http://alerts.example/x", false],
    ["http://127.0.0.1.example/x", false],
    ["http://127.0.0.1@example.org/x", false],
    ["http://localhost.example/x", false],
    ["http://localhost:80@example.org", false],
    ["http://localhost\\@example.org", false],
    ["https://user:pw@alerts.example/x", false],
    ["ftp://127.0.0.1/x", false],
    ["HTTPS://alerts.example", false],
    ["https://", false],
    ["https://a b", false],
  ])("a webhook at %s: %s", (url, good) => {
    const found = brief(problems(changed(tenant, "spec.alerts.receivers.0.webhook.url", url)));
    expect(found).toEqual(good ? [] : ["Invalid spec.alerts.receivers[0].webhook.url"]);
  });

  test("what is not built yet says so", () => {
    expect(problems(changed(tenant, "spec.registration", "Open"))).toEqual([
      expect.objectContaining({
        code: "NotSupported",
        field: "spec.registration",
        expected: expect.stringContaining("not built"),
      }),
    ]);
  });

  test("what only pods can have is refused where there are none", () => {
    const policy = changed(authPolicy, "spec.passthroughPorts", [5432]);
    expect(problems(policy)).toEqual([]);
    expect(problems(policy, { inPods: false })).toEqual([
      expect.objectContaining({
        code: "NotSupported",
        field: "spec.passthroughPorts",
        expected: expect.stringContaining("only in Kubernetes"),
      }),
    ]);
  });

  const tenantId = "01920000-0000-7000-8000-000000000001";
  const withStatus = (status: object | undefined) => changed(tenant, "status", status);
  const ledger = { epoch: 1, size: 10, note: "n" };
  test.each([
    ["further", { tenantId, ledger: { epoch: 1, size: 12, note: "m" } }, []],
    ["stay", { tenantId, ledger }, []],
    ["into a new epoch", { tenantId, ledger: { epoch: 2, size: 1, note: "m" } }, []],
    ["back", { tenantId, ledger: { epoch: 1, size: 9, note: "m" } }, ["status.ledger"]],
    ["into an old epoch", { tenantId, ledger: { epoch: 0, size: 99, note: "m" } }, ["status.ledger"]],
    ["away", { tenantId }, ["status.ledger"]],
    ["away with the whole status", undefined, ["status.ledger", "status.tenantId"]],
    ["and be another", { tenantId, ledger: { ...ledger, note: "m" } }, ["status.ledger.note"]],
    ["without the tenant's id", { ledger }, ["status.tenantId"]],
    ["with another id", { tenantId: tenantId.replace(/1$/, "2"), ledger }, ["status.tenantId"]],
  ])("the anchor may go %s: %j, but for %j", (_, status, refused) => {
    const old = validateResource(withStatus({ tenantId, ledger }));
    if (!old.ok) throw new Error("the older version is valid");
    expect(brief(problems(withStatus(status), { old: old.resource }))).toEqual(
      refused.map((field) => `Forbidden ${field}`),
    );
  });
});

describe("AuthPolicy", () => {
  test("a namespace is required", () => {
    expect(brief(problems(changed(authPolicy, "metadata.namespace", undefined)))).toContain(
      "Required metadata.namespace",
    );
  });

  test("the tenant can't be changed", () => {
    const old = validateResource(authPolicy);
    if (!old.ok) throw new Error("the older version is valid");
    expect(problems(changed(authPolicy, "spec.tenantRef.name", "globex"), { old: old.resource })).toEqual([
      {
        code: "Forbidden",
        field: "spec.tenantRef.name",
        path: ["spec", "tenantRef", "name"],
        value: '"globex"',
        expected: "the same tenant as before",
      },
    ]);
  });
});

test.each([undefined, null, 1, "Tenant", [], {}, { kind: "Pod" }, { kind: {} }])("%j is no resource", (document) => {
  expect(problems(document)).toHaveLength(1);
});

test("a long value is cut", () => {
  const [found] = problems(changed(tenant, "spec.displayName", "x".repeat(10_000)));
  expect(found?.value?.length).toBeLessThan(100);
});

test("nothing is inherited from a prototype", () => {
  expect(brief(problems(JSON.parse('{"kind":"Tenant","__proto__":{"spec":{"audiences":["a"]}}}')))).toContain(
    "Required spec",
  );
});
