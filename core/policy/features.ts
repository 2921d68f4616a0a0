import type { CompiledPolicy } from "./compiled.ts";

/** What only an Envoy can do that has its listeners from the sidecar. */
export const PASSTHROUGH_PORTS = "passthrough-ports";

/** What a compiled policy can ask of a sidecar beyond the first protocol, and how to tell that it does. */
const table = {
  condition: (policy) => policy.rules.some((rule) => rule.when !== undefined),
  "durability.database": (policy) => usesDurability(policy, "Database"),
  "durability.best-effort": (policy) => usesDurability(policy, "BestEffort"),
  "forward-credentials": (policy) => policy.upstream.forwardCredentials,
  "max-request-duration": (policy) => policy.rules.some((rule) => rule.maxRequestDurationMs !== undefined),
  [PASSTHROUGH_PORTS]: (policy) => policy.passthroughPorts !== undefined,
  redirect: (policy) => policy.responses.redirectTo !== undefined,
  shadow: (policy) => policy.mode === "Shadow",
  "trusted-hops": (policy) => policy.upstream.trustedHops > 0,
} as const satisfies Record<string, (policy: Uncounted) => boolean>;

type Uncounted = Omit<CompiledPolicy, "requiredFeatures">;

/** Every feature that this version has. */
export const features: readonly string[] = Object.keys(table);

/** The features that a policy needs, sorted. */
export function requiredFeatures(policy: Uncounted): string[] {
  return Object.entries(table)
    .filter(([, needs]) => needs(policy))
    .map(([name]) => name)
    .sort();
}

function usesDurability(policy: Uncounted, durability: string): boolean {
  return policy.audit.durability === durability || policy.rules.some((rule) => rule.durability === durability);
}
