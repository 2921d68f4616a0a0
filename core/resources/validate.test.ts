import { describe, expect, test } from "@jest/globals";
import type { FieldProblem } from "./problem.ts";
import { authPolicy, tenant } from "./testing/examples.ts";
import { validateResource } from "./validate.ts";

/** A copy with one field changed; undefined removes it. */
function changed(document: object, path: string, value: unknown): object {
  const copy = structuredClone(document);
  const parts = path.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const last = parts.pop();
  let target = copy as Record<string | number, unknown>;
  for (const part of parts) {
    target[part] ??= {};
    target = target[part] as Record<string | number, unknown>;
  }
  if (value === undefined) delete target[last as string];
  else target[last as string] = value;
  return copy;
}

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

describe("Tenant", () => {
  test.each([
    ["apiVersion", "heauth.io/v1", "Invalid apiVersion"],
    ["metadata.name", undefined, "Required metadata.name"],
    ["metadata.name", "Acme", "Invalid metadata.name"],
    ["metadata.namespace", "shop", "Invalid metadata.namespace"],
    ["spec", undefined, "Required spec"],
    ["spec", [], "Invalid spec"],
    ["spec.audiences", undefined, "Required spec.audiences"],
    ["spec.audiences", [], "Invalid spec.audiences"],
    ["spec.audiences", ["shop", "shop"], "Duplicate spec.audiences"],
    ["spec.audiences", ["heauth"], "Invalid spec.audiences"],
    ["spec.audiences", ["a b"], "Invalid spec.audiences[0]"],
    ["spec.sesions", {}, "UnknownField spec.sesions"],
    ["spec.sessions.idleTimeout", "30", "Invalid spec.sessions.idleTimeout"],
    ["spec.sessions.idleTimeout", "13h", "Invalid spec.sessions.idleTimeout"],
    ["spec.sessions.idleTimeout", "1s", "Invalid spec.sessions.idleTimeout"],
    ["spec.sessions.absoluteTimeout", "3000h", "Invalid spec.sessions.absoluteTimeout"],
    ["spec.sessions.maxPerUser", 0, "Invalid spec.sessions.maxPerUser"],
    ["spec.sessions.maxPerUser", 1.5, "Invalid spec.sessions.maxPerUser"],
    ["spec.sessions.maxPerUser", "10", "Invalid spec.sessions.maxPerUser"],
    ["spec.sessions.whenFull", "evictOldest", "Invalid spec.sessions.whenFull"],
    ["spec.tokens.accessLifetime", "2h", "Invalid spec.tokens.accessLifetime"],
    ["spec.tokens.refreshLifetime", "13h", "Invalid spec.tokens.refreshLifetime"],
    ["spec.tokens.refreshLifetime", "1m", "Invalid spec.tokens.refreshLifetime"],
    ["spec.tokens.rotationGrace", "61s", "Invalid spec.tokens.rotationGrace"],
    ["spec.passwords.minLength", 7, "Invalid spec.passwords.minLength"],
    ["spec.passwords.hash", "MD5", "Invalid spec.passwords.hash"],
    ["spec.lockout.window", "25h", "Invalid spec.lockout.window"],
    ["spec.limits.maxStaleness", "2h", "Invalid spec.limits.maxStaleness"],
    ["spec.limits.durability", [], "Invalid spec.limits.durability"],
    ["spec.paused", "yes", "Invalid spec.paused"],
    ["spec.alerts.receivers.0.webhook", undefined, "Invalid spec.alerts.receivers[0]"],
    [
      "spec.alerts.receivers.0.webhook.signingSecretRef",
      undefined,
      "Required spec.alerts.receivers[0].webhook.signingSecretRef",
    ],
    [
      "spec.alerts.receivers.0.webhook.signingSecretRef.namespace",
      "x",
      "UnknownField spec.alerts.receivers[0].webhook.signingSecretRef.namespace",
    ],
    [
      "spec.allowedNamespaces",
      { from: "All", selector: { matchLabels: { a: "b" } } },
      "Invalid spec.allowedNamespaces.selector",
    ],
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

  test.each([
    [
      "spec.allowedNamespaces",
      { from: "Selector", selector: { matchLabels: { a: "b" } } },
      "spec.allowedNamespaces.from",
    ],
    ["spec.registration", "Open", "spec.registration"],
    ["spec.alerts.receivers.0", { name: "mail", smtp: { to: ["a@b.test"] } }, "spec.alerts.receivers[0].smtp"],
    ["spec.audit.retentionDays", 400, "spec.audit.retentionDays"],
    ["spec.adminSecretRef", { name: "acme-admin" }, "spec.adminSecretRef"],
    ["spec.reclaimPolicy", "Delete", "spec.reclaimPolicy"],
    [
      "spec.identityProviders",
      [
        {
          name: "google",
          type: "OIDC",
          issuer: "https://accounts.google.com",
          clientId: "x",
          clientSecretRef: { name: "a", key: "b" },
        },
      ],
      "spec.identityProviders",
    ],
  ])("%s: %j is not built yet, and says so", (path, value, field) => {
    expect(problems(changed(tenant, path, value))).toEqual([
      expect.objectContaining({ code: "NotSupported", field, expected: expect.stringContaining("not built") }),
    ]);
  });

  const anchored = (ledger: object | undefined) => changed(tenant, "status", ledger && { ledger });
  test.each([
    ["further", { epoch: 1, size: 12, note: "n" }, true],
    ["the same", { epoch: 1, size: 10, note: "n" }, true],
    ["a new epoch", { epoch: 2, size: 1, note: "n" }, true],
    ["back", { epoch: 1, size: 9, note: "n" }, false],
    ["an old epoch", { epoch: 0, size: 99, note: "n" }, false],
    ["away", undefined, false],
  ])("the anchor may go %s: %j %s", (_, ledger, allowed) => {
    const old = validateResource(anchored({ epoch: 1, size: 10, note: "n" }));
    if (!old.ok) throw new Error("the older version is valid");
    expect(problems(anchored(ledger), { old: old.resource }).length === 0).toBe(allowed);
  });
});

describe("AuthPolicy", () => {
  test.each([
    ["metadata.namespace", undefined, "Required metadata.namespace"],
    ["spec.tenantRef", undefined, "Required spec.tenantRef"],
    ["spec.selector", {}, "Invalid spec.selector"],
    ["spec.ports", [], "Invalid spec.ports"],
    ["spec.ports", [{ port: 80, protocol: "TCP" }], "Invalid spec.ports[0].protocol"],
    [
      "spec.ports",
      [
        { port: 80, protocol: "HTTP" },
        { port: 80, protocol: "HTTP" },
      ],
      "Duplicate spec.ports",
    ],
    ["spec.ports.0.port", 65536, "Invalid spec.ports[0].port"],
    ["spec.mode", "Audit", "Invalid spec.mode"],
    ["spec.authentication.credentials", [], "Invalid spec.authentication.credentials"],
    ["spec.authentication.revalidateAfter", "31s", "Invalid spec.authentication.revalidateAfter"],
    ["spec.authentication.maxStaleness", "2h", "Invalid spec.authentication.maxStaleness"],
    ["spec.authentication.clockSkew", "31s", "Invalid spec.authentication.clockSkew"],
    ["spec.rules.0.name", "Health", "Invalid spec.rules[0].name"],
    ["spec.rules.1.name", "health", "Invalid spec.rules"],
    ["spec.rules.0.match", [], "Invalid spec.rules[0].match"],
    ["spec.rules.0.match.0.path.type", "Regex", "Invalid spec.rules[0].match[0].path.type"],
    ["spec.rules.0.match.0.path.value", "healthz", "Invalid spec.rules[0].match[0].path.value"],
    ["spec.rules.0.match.0.path.value", "/a//b", "Invalid spec.rules[0].match[0].path.value"],
    ["spec.rules.0.match.0.path.value", "/a/../b", "Invalid spec.rules[0].match[0].path.value"],
    ["spec.rules.0.match.0.path.value", "/a%2Fb", "Invalid spec.rules[0].match[0].path.value"],
    ["spec.rules.0.match.0.path.value", "/a?x", "Invalid spec.rules[0].match[0].path.value"],
    ["spec.rules.0.match.0.methods", ["get"], "Invalid spec.rules[0].match[0].methods[0]"],
    ["spec.rules.0.access", undefined, "Required spec.rules[0].access"],
    ["spec.rules.0.access", "Roles", "Invalid spec.rules[0].roles"],
    ["spec.rules.0.roles", ["doctor"], "Invalid spec.rules[0].roles"],
    ["spec.rules.0.when", "true", "Invalid spec.rules[0].when"],
    ["spec.rules.2.roles", undefined, "Invalid spec.rules[2].roles"],
    ["spec.rules.0.maxRequestDuration", "0s", "Invalid spec.rules[0].maxRequestDuration"],
    ["spec.upstream.headers", { "X-User": "session.subject" }, "Invalid spec.upstream.headers"],
    ["spec.upstream.headers", { authorization: "session.subject" }, "Invalid spec.upstream.headers"],
    ["spec.upstream.headers", { "x-forwarded-for": "session.subject" }, "Invalid spec.upstream.headers"],
    ["spec.upstream.headers", { "x-heauth-action": "session.subject" }, "Invalid spec.upstream.headers"],
    ["spec.upstream.headers", { "x-heauth-peer": "session.subject" }, "Invalid spec.upstream.headers"],
    ["spec.upstream.headers", { "x-user": "session.password" }, 'Invalid spec.upstream.headers["x-user"]'],
    [
      "spec.responses.unauthenticated",
      { redirectTo: "//evil.example" },
      "Invalid spec.responses.unauthenticated.redirectTo",
    ],
    [
      "spec.responses.unauthenticated",
      { redirectTo: "/\\evil.example" },
      "Invalid spec.responses.unauthenticated.redirectTo",
    ],
    [
      "spec.responses.unauthenticated",
      { redirectTo: "https://evil.example" },
      "Invalid spec.responses.unauthenticated.redirectTo",
    ],
    ["spec.responses.unauthenticated", { redirectTo: "/log\0in" }, "Invalid spec.responses.unauthenticated.redirectTo"],
    [
      "spec.responses.unauthenticated",
      { redirectTo: "/\u0142ogin" },
      "Invalid spec.responses.unauthenticated.redirectTo",
    ],
    ["spec.responses.unavailable.retryAfter", "0s", "Invalid spec.responses.unavailable.retryAfter"],
    ["spec.audit.durability", "Disk", "Invalid spec.audit.durability"],
    ["spec.passthroughPorts", [8080], "Invalid spec.passthroughPorts"],
  ])("%s: %j is refused as %s", (path, value, expected) => {
    expect(brief(problems(changed(authPolicy, path, value)))).toContain(expected);
  });

  test.each([
    ["spec.passthroughPorts", [9090], "spec.passthroughPorts"],
    ["spec.rules.1.upgrades", ["websocket"], "spec.rules[1].upgrades"],
  ])("%s: %j is not built yet, and says so", (path, value, field) => {
    expect(problems(changed(authPolicy, path, value))).toEqual([
      expect.objectContaining({ code: "NotSupported", field }),
    ]);
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
