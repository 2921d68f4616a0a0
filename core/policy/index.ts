export type {
  Access,
  CompiledMatch,
  CompiledPolicy,
  CompiledRule,
  CredentialSource,
  Durability,
  HeaderValue,
  Mode,
} from "./compiled.ts";
export type { Decision, DecisionInput, PreparedPolicy, Route } from "./decision.ts";
export type { CredentialRefusal, Evidence, RequestFacts, SessionEvidence, VerifiedToken } from "./evidence.ts";
export { type Alerting, isReasonName, type Reason, type ReasonName, reasons } from "./reasons.ts";
