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

interface PreparedRule {
  readonly rule: CompiledRule;
  readonly matches: Matcher;
}

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

function route(rules: readonly PreparedRule[], request: RequestFacts): Route {
  const target = normaliseTarget(request.target);
  if (target === undefined) return ambiguous;
  const rule = firstMatch(rules, request.method, target.decoded);
  // An app may drop parameters (RFC 3986, section 3.3), and then sees another path: no rule is to be dodged by `/patients;x`.
  const bare = withoutParameters(target.decoded);
  if (bare !== target.decoded && firstMatch(rules, request.method, bare) !== rule) return ambiguous;
  return { target, rule, needsCredential: rule?.access !== "Public" };
}

const ambiguous: Route = { target: undefined, rule: undefined, needsCredential: false };

function firstMatch(rules: readonly PreparedRule[], method: string, path: string): CompiledRule | undefined {
  return rules.find(({ matches }) => matches(method, path))?.rule;
}

function withoutParameters(path: string): string {
  return path.includes(";") ? path.replace(/;[^/]*/g, "").replace(/\/{2,}/g, "/") : path;
}
