import { createHash, randomUUID } from "node:crypto";
import { createHealth, createLogs } from "@heauth/program";
import type { Policy, PolicyRemoved } from "@heauth/protocol";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { createEnforcement, type Enforcement } from "./enforcement.ts";
import type { PolicyVerdict } from "./hub/index.ts";
import type { TellListening } from "./listeners/index.ts";
import { compiledPolicy, type PolicyParts } from "./testing/policy.ts";

const tenant = randomUUID();
let tenants: string[];
let closed: number;
let enforcement: Enforcement;
/** What Envoy says of the last policy that came into force. */
let envoy: TellListening;
const health = createHealth();
const { log } = createLogs({ program: "test", level: "silent" });

beforeEach(() => {
  tenants = [];
  closed = 0;
  const journal = { write: async () => ({ id: "a/1" }) };
  enforcement = createEnforcement({
    journal,
    health,
    log,
    misfit: ({ passthroughPorts }) =>
      passthroughPorts && { message: "no such ports here", missingFeatures: ["passthrough-ports"] },
    onPolicy({ compiled }, tell) {
      tenants.push(compiled.tenant.id);
      envoy = tell;
    },
    onNoPolicy: () => void closed++,
  });
});

/** As the hub gives it. */
function policy(parts: PolicyParts = {}, more: Partial<Policy> = {}): Policy {
  const { bytes, digest } = compiledPolicy({ tenantId: tenant, ...parts });
  const given = { namespace: "shop", name: parts.name ?? "web", digest, compiled: bytes, tenant, tagKeys: [], ...more };
  return given as unknown as Policy;
}

/** What is answered, in order. */
function taking(given: Policy): PolicyVerdict[] {
  const verdicts: PolicyVerdict[] = [];
  enforcement.take(given, (verdict) => verdicts.push(verdict));
  return verdicts;
}

const IN_FORCE = { enforced: true, missingFeatures: [], message: "" };
const named = (name: string) => ({ namespace: "shop", name }) as PolicyRemoved;
const digestInForce = () => enforcement.current()?.policy.digest;

test("until there is a policy nothing is in force, and the sidecar is not ready", () => {
  expect(enforcement.current()).toBeUndefined();
  expect(health.ready().problems).toMatchObject({ policy: "no policy is in force" });
});

test("a good policy comes into force, with its tenant", () => {
  const given = policy();
  const answered = taking(given);
  expect(digestInForce()).toBe(given.digest);
  expect(answered).toEqual([]);
  envoy();
  expect(answered).toEqual([IN_FORCE]);
  expect(tenants).toEqual([tenant]);
  expect(health.ready().problems).not.toHaveProperty("policy");
});

test("a policy whose listeners Envoy refuses is not enforced, and is once it takes them", () => {
  const answered = taking(policy());
  envoy("Envoy refuses the listeners");
  envoy();
  expect(answered).toEqual([{ ...IN_FORCE, enforced: false, message: "Envoy refuses the listeners" }, IN_FORCE]);
});

test("a newer version takes its place", () => {
  taking(policy());
  const next = policy({ spec: { defaultAction: "Authenticated" } });
  taking(next);
  expect(digestInForce()).toBe(next.digest);
});

/** A document that somebody else compiled, with the digest of its bytes. */
function changed(change: object): Partial<Policy> {
  const document = JSON.parse(Buffer.from(compiledPolicy({ tenantId: tenant }).bytes).toString());
  const compiled = Buffer.from(JSON.stringify({ ...document, ...change }));
  return { compiled, digest: `sha256:${createHash("sha256").update(compiled).digest("hex")}` };
}

describe.each<[string, () => Policy, string | RegExp, string[]]>([
  [
    "whose bytes are not those of its digest",
    () => policy({}, { digest: `sha256:${"0".repeat(64)}` }),
    "the policy's bytes are not those of its digest",
    [],
  ],
  [
    "that needs what this version lacks",
    () => policy({}, changed({ requiredFeatures: ["shadow", "telepathy"] })),
    "the policy needs telepathy",
    ["telepathy"],
  ],
  ["with a field unknown to this version", () => policy({}, changed({ zeal: 1 })), /^the policy can't be read: /, []],
  [
    "that this pod can't do",
    () => policy({ spec: { passthroughPorts: [5432] } }),
    "no such ports here",
    ["passthrough-ports"],
  ],
  [
    "of another tenant than the hub says",
    () => policy({}, { tenant: randomUUID() }),
    "the policy is another tenant's than the hub says",
    [],
  ],
])("a policy %s", (_, given, message, missingFeatures) => {
  test("is refused, and everything stays denied where none was in force", () => {
    expect(taking(given())).toEqual([{ enforced: false, missingFeatures, message: expect.stringMatching(message) }]);
    expect(enforcement.current()).toBeUndefined();
    expect([tenants, closed]).toEqual([[], 1]);
  });

  test("leaves the last good one in force", () => {
    const good = policy();
    taking(good);
    expect(taking(given())).toMatchObject([{ enforced: false }]);
    expect(digestInForce()).toBe(good.digest);
    expect(closed).toBe(0);
  });
});

describe("a sidecar enforces one policy at a time, of one tenant for its life", () => {
  const otherTenant = randomUUID();
  const othersPolicy = () => policy({ tenantId: otherTenant }, { tenant: otherTenant });
  const refused = { enforced: false, message: expect.stringMatching(/^this sidecar records for another tenant/) };

  test("another one of the tenant's takes its place; the removal of the former changes nothing then", () => {
    taking(policy());
    const other = policy({ name: "other" });
    taking(other);
    enforcement.remove(named("web"));
    expect(digestInForce()).toBe(other.digest);
    expect(tenants).toEqual([tenant, tenant]);
  });

  test("another tenant's is refused, and nothing is in force then: the pod is no more the former's", () => {
    taking(policy());
    expect(taking(othersPolicy())).toMatchObject([refused]);
    expect(enforcement.current()).toBeUndefined();
    expect(closed).toBe(1);
    taking(policy());
    expect(digestInForce()).toBe(policy().digest);
    expect(tenants).toEqual([tenant, tenant]);
  });

  test("another tenant's is refused also once the first was removed", () => {
    taking(policy());
    enforcement.remove(named("web"));
    expect(taking(othersPolicy())).toMatchObject([refused]);
    expect(enforcement.current()).toBeUndefined();
  });

  test("one that was removed while the hub was away does not stay in force", () => {
    const good = policy();
    taking(good);
    enforcement.keepOnly([named("other"), named("web")]);
    expect(digestInForce()).toBe(good.digest);
    enforcement.keepOnly([]);
    expect(enforcement.current()).toBeUndefined();
    expect(closed).toBe(1);
  });

  test("a process that has none yet tells that there is none: the one before may have opened ports", () => {
    enforcement.keepOnly([named("web")]);
    expect(closed).toBe(0);
    enforcement.keepOnly([]);
    expect(closed).toBe(1);
  });
});

test("after its removal nothing is in force; another policy's removal changes nothing", () => {
  taking(policy());
  enforcement.remove(named("other"));
  expect(enforcement.current()).toBeDefined();
  expect(closed).toBe(0);
  enforcement.remove(named("web"));
  expect(enforcement.current()).toBeUndefined();
  expect(closed).toBe(1);
  expect(health.ready().problems).toMatchObject({ policy: "no policy is in force" });
});
