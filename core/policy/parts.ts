import type { CompiledPolicy, CompiledRule } from "./compiled.ts";
import type { ConditionFacts, ConditionResult } from "./condition.ts";
import type { PreparedUpstream } from "./upstream.ts";

export type Condition = (facts: ConditionFacts) => ConditionResult;

/** A policy with what is worked out once: what `decide()` works with. */
export interface Parts {
  readonly policy: CompiledPolicy;
  readonly upstream: PreparedUpstream;
  readonly conditions: ReadonlyMap<CompiledRule, Condition>;
}
