import { createHash } from "node:crypto";
import { canonicalBytes } from "../ledger/canonical.ts";
import { type AuthPolicy, type FieldProblem, milliseconds, type Tenant } from "../resources/index.ts";
import type { CompiledPolicy, CompiledRule } from "./compiled.ts";
import { requiredFeatures } from "./features.ts";
import { policyProblems } from "./problems.ts";

export interface CompileInput {
  /** The tenant that `spec.tenantRef` names, with the id that its data carries. */
  readonly tenant: { readonly id: string; readonly resource: Tenant };
  /** `iss` of identity's tokens. */
  readonly issuer: string;
  readonly policy: AuthPolicy;
  /** The policy's namespace's labels; absent where they are not known: then no selector selects it. */
  readonly namespaceLabels?: Readonly<Record<string, string>> | undefined;
}

export type Compiled =
  | {
      readonly ok: true;
      readonly policy: CompiledPolicy;
      /** RFC 8785 bytes: what is stored, sent and hashed. */
      readonly bytes: Uint8Array;
      /** `sha256:<hex>` of the bytes. */
      readonly digest: string;
    }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** Compiles a validated AuthPolicy against its validated Tenant, or says which fields stand in the way. */
export function compile(input: CompileInput): Compiled {
  const problems = policyProblems(input.tenant.resource, input.policy, input.namespaceLabels);
  if (problems.length > 0) return { ok: false, problems };
  const policy = compiledPolicy(input);
  const bytes = canonicalBytes(policy);
  return { ok: true, policy, bytes, digest: digestOf(bytes) };
}

/** `sha256:<hex>` of a compiled policy's bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function compiledPolicy({ tenant, issuer, policy }: CompileInput): CompiledPolicy {
  const { spec } = policy;
  const { authentication, upstream, responses, audit } = spec;
  const redirectTo = responses.unauthenticated?.redirectTo;
  const compiled: Omit<CompiledPolicy, "requiredFeatures"> = {
    v: 1,
    namespace: policy.metadata.namespace,
    name: policy.metadata.name,
    tenant: { id: tenant.id, name: tenant.resource.metadata.name },
    issuer,
    ports: spec.ports.map(({ port }) => port),
    ...(spec.passthroughPorts.length > 0 && { passthroughPorts: spec.passthroughPorts.toSorted((a, b) => a - b) }),
    mode: spec.mode,
    authentication: {
      credentials: authentication.credentials,
      audiences: authentication.audiences ?? tenant.resource.spec.audiences,
      revalidateAfterMs: milliseconds(authentication.revalidateAfter),
      maxStalenessMs: milliseconds(authentication.maxStaleness),
      clockSkewMs: milliseconds(authentication.clockSkew),
    },
    sessions: { idleTimeoutMs: milliseconds(tenant.resource.spec.sessions.idleTimeout) },
    rules: spec.rules.map((rule) => compiledRule(rule, audit.durability)),
    defaultAction: spec.defaultAction,
    upstream,
    responses: {
      ...(redirectTo === undefined ? {} : { redirectTo }),
      retryAfterMs: milliseconds(responses.unavailable.retryAfter),
    },
    audit: { durability: audit.durability, recordPublicRequests: audit.publicRequests === "Record" },
  };
  return { ...compiled, requiredFeatures: requiredFeatures(compiled) };
}

function compiledRule(rule: AuthPolicy["spec"]["rules"][number], durability: CompiledRule["durability"]): CompiledRule {
  return {
    name: rule.name,
    match: rule.match.map(({ path, methods }) => ({ type: path.type, path: path.value, methods: methods ?? [] })),
    access: rule.access,
    roles: rule.roles ?? [],
    action: rule.action ?? rule.name,
    ...(rule.when === undefined ? {} : { when: rule.when }),
    durability: rule.durability ?? durability,
    upgrades: rule.upgrades,
    ...(rule.maxRequestDuration === undefined ? {} : { maxRequestDurationMs: milliseconds(rule.maxRequestDuration) }),
  };
}
