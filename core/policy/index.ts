export { type Compiled, type CompileInput, compile, digestOf } from "./compile.ts";
export type {
  CompiledMatch,
  CompiledPolicy,
  CompiledRule,
  CredentialSource,
  Durability,
  HeaderValue,
  Mode,
} from "./compiled.ts";
export { conditionFunctions, conditionLimits, conditionVariables } from "./condition-environment.ts";
export type { Decision, DecisionInput, PreparedPolicy, Route } from "./decision.ts";
export type { CredentialRefusal, Evidence, RequestFacts, SessionEvidence, VerifiedToken } from "./evidence.ts";
export { features, PASSTHROUGH_PORTS } from "./features.ts";
export { type NormalisedTarget, normaliseTarget } from "./path.ts";
export { type Prepared, preparePolicy } from "./prepare.ts";
export { allowsNamespace, limitProblems, ruleProblems } from "./problems.ts";
export { type Alerting, isReasonName, type Reason, type ReasonName, reasons } from "./reasons.ts";
export { isOwnRequest } from "./same-origin.ts";
