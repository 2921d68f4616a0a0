import { describe, expect, test } from "@jest/globals";
import canonicalize from "canonicalize";
import { canonicalBytes } from "../ledger/canonical.ts";
import { digestOf } from "./compile.ts";
import { features } from "./features.ts";
import { preparePolicy } from "./prepare.ts";
import { compileExample } from "./testing/policy.ts";

function compiled(...specs: Parameters<typeof compileExample>) {
  const result = compileExample(...specs);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
}

const problems = (...specs: Parameters<typeof compileExample>) => {
  const result = compileExample(...specs);
  return result.ok ? [] : result.problems.map(({ code, field }) => `${code} ${field}`);
};

const rule = (extra: object) => ({
  rules: [{ name: "r", match: [{ path: { value: "/a" } }], access: "Authenticated" as const, ...extra }],
});

test("the same policy gives the same bytes, in RFC 8785 form", () => {
  const { bytes, digest, policy } = compiled();
  expect(new TextDecoder().decode(bytes)).toBe(canonicalize(policy));
  expect(compiled().digest).toBe(digest);
  expect(compiled({ mode: "Shadow" }).digest).not.toBe(digest);
});

test("what a sidecar needs is in it: defaults, milliseconds, actions, durability", () => {
  expect(compiled().policy).toMatchObject({
    tenant: { name: "acme" },
    authentication: { audiences: ["shop"], revalidateAfterMs: 1000, maxStalenessMs: 30_000, clockSkewMs: 30_000 },
    sessions: { idleTimeoutMs: 1_800_000 },
    rules: [
      { name: "health", action: "health", durability: "Local", roles: [] },
      { name: "read-patient", action: "patient.read", durability: "Local" },
      { name: "write-patient", durability: "Database", maxRequestDurationMs: 3_600_000 },
    ],
    responses: { redirectTo: "/auth/login", retryAfterMs: 2000 },
    requiredFeatures: ["condition", "durability.database", "max-request-duration", "redirect"],
  });
  expect(compiled({ authentication: {} }, { audiences: ["shop", "lab"] }).policy.authentication.audiences).toEqual([
    "shop",
    "lab",
  ]);
});

test("ports that are let through are in it, in order, where there are any: without them its digest is as ever", () => {
  expect(compiled({ passthroughPorts: [9090, 5432] }).policy).toMatchObject({ passthroughPorts: [5432, 9090] });
  expect(compiled({ passthroughPorts: [9090, 5432] }).digest).toBe(compiled({ passthroughPorts: [5432, 9090] }).digest);
  expect(Object.keys(compiled({ passthroughPorts: [] }).policy)).not.toContain("passthroughPorts");
});

test("a policy that asks for little needs nothing", () => {
  const spec = { ...rule({}), responses: {} };
  expect(compiled(spec).policy.requiredFeatures).toEqual([]);
});

test("every feature can be asked for", () => {
  const spec = {
    ...rule({ when: "true", durability: "Database", maxRequestDuration: "1h" }),
    mode: "Shadow" as const,
    audit: { durability: "BestEffort" as const },
    upstream: { forwardCredentials: true, trustedHops: 1 },
    passthroughPorts: [5432],
  };
  const limits = { limits: { forwardCredentials: true, durability: ["Database" as const, "BestEffort" as const] } };
  expect(compiled(spec, limits).policy.requiredFeatures).toEqual([...features].sort());
});

describe("is not compiled", () => {
  test.each<[string, ...Parameters<typeof compileExample>]>([
    ["Invalid spec.tenantRef.name", { tenantRef: { name: "globex" } }],
    ["Forbidden spec.tenantRef.name", {}, { allowedNamespaces: { from: "None" } }],
    ["LimitExceeded spec.authentication.maxStaleness", { authentication: { maxStaleness: "61s" } }],
    ["LimitExceeded spec.authentication.audiences[1]", { authentication: { audiences: ["shop", "lab"] } }],
    ["LimitExceeded spec.mode", { mode: "Shadow" }, { limits: { modes: ["Enforce"] } }],
    ["LimitExceeded spec.upstream.forwardCredentials", { upstream: { forwardCredentials: true } }],
    ["LimitExceeded spec.audit.durability", { audit: { durability: "BestEffort" } }],
    ["LimitExceeded spec.rules[0].durability", rule({ durability: "BestEffort" })],
    ["Invalid spec.rules[0].when", rule({ when: "request.path.matches('a')" })],
    ["Invalid spec.rules[0].when", rule({ when: "request.method == '\ud800'" })],
    ["Invalid spec.rules[0].match[0].path.value", rule({ match: [{ path: { value: "/%61" } }] })],
    ["Invalid spec.rules[0].match[0].path.value", rule({ match: [{ path: { value: "/a%252fb" } }] })],
    ["Invalid spec.rules[0].match[1].path.value", rule({ match: [{}, { path: { value: "/{a}" } }] })],
  ])("%s", (expected, ...specs) => {
    expect(problems(...specs)).toContain(expected);
  });
});

describe("compiled bytes are read strictly", () => {
  const { bytes, digest, policy } = compiled();
  const tampered = (change: object) => {
    const changed = canonicalBytes({ ...policy, ...change });
    return preparePolicy(changed, digestOf(changed));
  };

  test("as they were written", () => {
    expect(preparePolicy(bytes, digest)).toMatchObject({ ok: true, prepared: { policy, digest } });
  });

  test("not under another digest", () => {
    const other = Uint8Array.from(bytes);
    other[10] = (other[10] ?? 0) ^ 1;
    expect(preparePolicy(other, digest)).toMatchObject({ ok: false, message: expect.stringContaining("digest") });
  });

  test("not with a feature that is unknown, even where the rest is unknown too", () => {
    const changed = { v: 2, novel: true, requiredFeatures: ["condition", "geo", "time-of-day"] };
    expect(tampered(changed)).toMatchObject({ ok: false, missingFeatures: ["geo", "time-of-day"] });
  });

  test.each<[string, object]>([
    ["another version", { v: 2 }],
    ["an unknown field", { novel: true }],
    ["a missing field", { rules: undefined }],
    ["a wrong type", { mode: "Off" }],
    [
      "a path that is not normalised",
      { rules: [{ ...policy.rules[0], match: [{ type: "Exact", path: "/a/../b", methods: [] }] }] },
    ],
    ["a condition that is refused", { rules: [{ ...policy.rules[2], when: "request.path.matches('a')" }] }],
    ["no features", { requiredFeatures: undefined }],
  ])("not with %s", (_, change) => {
    expect(tampered(change)).toMatchObject({ ok: false, missingFeatures: [] });
  });

  test.each<[string, string]>([
    ["spaces", JSON.stringify(policy, null, 1)],
    ["no JSON", "{"],
    ["a lone surrogate", JSON.stringify({ ...policy, name: "\ud800" })],
    ["null", "null"],
    ["nothing", ""],
  ])("not as %s", (_, text) => {
    const other = new TextEncoder().encode(text);
    expect(preparePolicy(other, digestOf(other))).toMatchObject({ ok: false, missingFeatures: [] });
  });
});
