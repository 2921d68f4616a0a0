import type { CompiledRule } from "./compiled.ts";
import { prepareCondition } from "./condition.ts";
import { decide, refuse } from "./decide.ts";
import type { PreparedPolicy, Route } from "./decision.ts";
import type { RequestFacts } from "./evidence.ts";
import { type Matcher, prepareMatches } from "./match.ts";
import type { Condition, Parts } from "./parts.ts";
import { normaliseTarget } from "./path.ts";
import { type ReadCompiled, readCompiled } from "./read-compiled.ts";
import { prepareUpstream } from "./upstream.ts";

export type Prepared = { readonly ok: true; readonly prepared: PreparedPolicy } | Exclude<ReadCompiled, { ok: true }>;

/**
 * Reads compiled bytes and makes them ready to decide.
 * @returns the prepared policy, or why this version can't enforce it: the caller keeps its last good policy, or denies
 */
export function preparePolicy(bytes: Uint8Array, digest: string): Prepared {
  const read = readCompiled(bytes, digest);
  if (!read.ok) return read;
  const { policy } = read;

  const conditions = new Map<CompiledRule, Condition>();
  for (const rule of policy.rules) {
    if (rule.when === undefined) continue;
    const condition = prepareCondition(rule.when);
    if (!condition.ok) {
      return { ok: false, missingFeatures: [], message: `rule ${rule.name}: when: expected ${condition.expected}` };
    }
    conditions.set(rule, condition.evaluate);
  }
  const parts: Parts = { policy, upstream: prepareUpstream(policy), conditions };
  const rules = policy.rules.map((rule) => ({ rule, matches: prepareMatches(rule.match) }));
  return {
    ok: true,
    prepared: {
      policy,
      digest,
      route: (request) => route(rules, request),
      decide: (input) => decide(parts, input),
      refuse: (route, reason) => refuse(parts, route, reason),
    },
  };
}

function route(rules: readonly { rule: CompiledRule; matches: Matcher }[], request: RequestFacts): Route {
  const target = normaliseTarget(request.target);
  if (target === undefined) return { target, rule: undefined, needsCredential: false };
  const rule = rules.find(({ matches }) => matches(request.method, target.decoded))?.rule;
  return { target, rule, needsCredential: rule?.access !== "Public" };
}
