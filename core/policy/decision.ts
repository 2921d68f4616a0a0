import type { CompiledPolicy, CompiledRule, CredentialSource, Durability } from "./compiled.ts";
import type { Evidence, RequestFacts } from "./evidence.ts";
import type { NormalisedTarget } from "./path.ts";
import type { ReasonName } from "./reasons.ts";

/** What a request is for, known before its credential is looked at. */
export interface Route {
  /** Undefined when it is ambiguous. */
  readonly target: NormalisedTarget | undefined;
  /** The first rule that matches. */
  readonly rule: CompiledRule | undefined;
  /** Whether the decision depends on a credential; where false, none need be looked at. */
  readonly needsCredential: boolean;
}

export interface Decision {
  /** What happens to the request. */
  readonly effect: "Allow" | "Deny";
  /** What the policy says; differs from `effect` only in Shadow mode. Records hold this one. */
  readonly verdict: "Allow" | "Deny";
  /** Verdict `Deny`, and allowed because the mode is Shadow. */
  readonly wouldDeny: boolean;
  /** Of `effect`: 200, or the reason's. */
  readonly status: 200 | 400 | 401 | 403 | 503;
  /** Present when the verdict is `Deny`. */
  readonly reason?: ReasonName;
  readonly rule?: string;
  readonly action?: string;
  readonly durability: Durability;
  /** Whether it is recorded at all: not so only for allowed requests of a Public rule under `publicRequests: Skip`. */
  readonly record: boolean;
  /** Decided from session state older than `revalidateAfter`. */
  readonly stale: boolean;
  /** To set on the request to the app, over whatever the client sent. */
  readonly setHeaders: Readonly<Record<string, string>>;
  /** To remove from the request to the app. */
  readonly removeHeaders: readonly string[];
  /**
   * Where the access token that goes to the app came in; whatever else could be taken for one is removed, because nobody has
   * verified it, and all of it where this is absent. A refresh token never goes.
   */
  readonly forwardCredential?: CredentialSource;
  /** Answer 302 to this path of the same origin instead of the 401. */
  readonly redirectTo?: string;
  /** For 503, whole seconds. */
  readonly retryAfter?: number;
  /** How long the request, streams included, may take, ms. */
  readonly maxRequestDurationMs?: number;
}

/** A policy made ready to decide: nothing of it is parsed again per request. */
export interface PreparedPolicy {
  readonly policy: CompiledPolicy;
  /** `sha256:<hex>` of the compiled bytes; goes into every decision record. */
  readonly digest: string;
  /** Finds the rule. First step of a request: tells whether a credential is needed at all. */
  route(request: RequestFacts): Route;
  /** Decides. `nowMs`: ms since the epoch. Never throws. */
  decide(input: DecisionInput): Decision;
  /** The denial for what fails after the decision, or instead of it: `RecordUnavailable`, `Overloaded`. Holds in Shadow mode too. */
  refuse(route: Route, reason: ReasonName): Decision;
}

export interface DecisionInput {
  readonly request: RequestFacts;
  /** What `route(request)` gave. */
  readonly route: Route;
  readonly evidence: Evidence;
  readonly nowMs: number;
}
