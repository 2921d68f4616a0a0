import type { CompiledPolicy } from "./compiled.ts";

/** What a compiled policy can ask of a sidecar beyond the first protocol, and how to tell that it does. */
const table = {
  condition: (policy) => policy.rules.some((rule) => rule.when !== undefined),
  "durability.database": (policy) => usesDurability(policy, "Database"),
  "durability.best-effort": (policy) => usesDurability(policy, "BestEffort"),
  "forward-credentials": (policy) => policy.upstream.forwardCredentials,
  "max-request-duration": (policy) => policy.rules.some((rule) => rule.maxRequestDurationMs !== undefined),
  redirect: (policy) => policy.responses.redirectTo !== undefined,
  shadow: (policy) => policy.mode === "Shadow",
  "trusted-hops": (policy) => policy.upstream.trustedHops > 0,
} as const satisfies Record<string, (policy: Uncounted) => boolean>;

type Uncounted = Omit<CompiledPolicy, "requiredFeatures">;

/** Every feature that this version of `decide()` has: what a sidecar says in its Hello. */
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
