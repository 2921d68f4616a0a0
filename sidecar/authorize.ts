import type { Decision, Durability, PreparedPolicy, ReasonName, RequestFacts, Route } from "@heauth/core/policy";
import type { CredentialHeaders, TagKey } from "@heauth/core/tokens";
import type { Clock } from "@heauth/program";
import { type Authentication, authenticate } from "./authenticate.ts";
import type { DecisionMetrics } from "./decision-metrics.ts";
import { SidecarError } from "./errors.ts";
import { peerOf } from "./peer.ts";
import type { SessionCache } from "./sessions/index.ts";
import type { JournalInput } from "./shipper/index.ts";

/** What Envoy asks about, whichever way it asks. */
export interface CheckRequest {
  readonly facts: RequestFacts;
  readonly credentials: CredentialHeaders;
  readonly requestId: string | undefined;
  /** The connection's own address, as Envoy saw it. */
  readonly peer: string | undefined;
  /** Ends with the address that Envoy added: the connection's. */
  readonly forwardedFor: string | undefined;
  readonly userAgent: string | undefined;
}

export interface CheckAnswer {
  readonly decision: Decision;
  /** Id of the record that tells of it; absent where none was written. */
  readonly record?: string;
}

export type Authorize = (request: CheckRequest) => Promise<CheckAnswer>;

/** The policy in force, with what its tenant's requests are checked and recorded by. */
export interface PolicyInForce {
  readonly policy: PreparedPolicy;
  readonly tagKeys: readonly TagKey[];
  readonly journal: RecordSink;
}

/** Takes a record, and answers when it is as durable as asked. @throws SidecarError */
export interface RecordSink {
  write(record: JournalInput, durability: Durability): Promise<{ readonly id: string }>;
}

export interface AuthorizerParts {
  /** Undefined as long as the sidecar has none that it can enforce. */
  readonly inForce: () => PolicyInForce | undefined;
  readonly sessions: SessionCache;
  readonly clock: Clock;
  readonly metrics: DecisionMetrics;
}

/** The request path: credential → session → decision → record → durable → answer. */
export function createAuthorize({ inForce, sessions, clock, metrics }: AuthorizerParts): Authorize {
  return async (request) => {
    const arrived = clock.monotonicMs();
    const answer = await decided(request);
    metrics.count(answer.decision, clock.monotonicMs() - arrived);
    return answer;
  };

  async function decided(request: CheckRequest): Promise<CheckAnswer> {
    const current = inForce();
    if (current === undefined) return { decision: noPolicy };
    const { policy, journal } = current;

    const route = policy.route(request.facts);
    const authentication = route.needsCredential
      ? await authenticate(request.credentials, { ...current, sessions })
      : anonymous;
    const { evidence, session } = authentication;
    const decision = policy.decide({ request: request.facts, route, evidence, nowMs: clock.wallMs() });
    if (decision.record) {
      try {
        const record = recordOf(request, route, decision, authentication);
        const { id } = await journal.write(record, decision.durability);
        if (decision.effect === "Deny" || session === undefined) return { decision, record: id };
        // The record took its time: the bound on staleness is for the moment at which the request is let through.
        const { mode, authentication: bounds } = policy.policy;
        if (mode === "Enforce" && !sessions.isOpen(session, bounds.maxStalenessMs)) {
          return { decision: policy.refuse(route, "StoreUnavailable"), record: id };
        }
        sessions.used(session);
        return { decision, record: id };
      } catch (error) {
        return { decision: policy.refuse(route, refusalOf(error)) };
      }
    }
    return { decision };

    function recordOf(
      { facts, requestId, userAgent, ...from }: CheckRequest,
      { target }: Route,
      { verdict, wouldDeny, reason, rule, action }: Decision,
      { stale }: Authentication,
    ): JournalInput {
      const peer = peerOf(from, policy.policy.upstream.trustedHops);
      return {
        type: "decision",
        at: clock.wallMicros(),
        source: "sidecar",
        ...(session === undefined ? {} : { session: session.id }),
        ...(isRequestId(requestId) ? { request: requestId } : {}),
        ...(rule === undefined ? {} : { rule }),
        ...(action === undefined ? {} : { action }),
        decision: verdict,
        ...(reason === undefined ? {} : { reason }),
        policy: policy.digest,
        ...(stale || decision.stale ? { stale: true } : {}),
        ...(wouldDeny ? { shadow: true } : {}),
        private: {
          method: facts.method,
          path: target?.path ?? facts.target,
          ...(target?.query === undefined ? {} : { query: target.query }),
          ...(facts.host === undefined ? {} : { host: facts.host }),
          ...(peer === undefined ? {} : { peer }),
          ...(userAgent === undefined ? {} : { userAgent }),
        },
      };
    }
  }
}

const anonymous: Authentication = { evidence: { kind: "None" }, stale: false };

/** Without a policy there is no tenant, and so no journal that could tell of the request: it is denied and counted. */
const noPolicy: Decision = {
  effect: "Deny",
  verdict: "Deny",
  wouldDeny: false,
  status: 503,
  reason: "NoPolicy",
  durability: "Local",
  record: false,
  stale: false,
  setHeaders: {},
  removeHeaders: [],
  retryAfter: 2,
};

/** Why a record could not be had, as a reason for the denial; what is no failure of the journal is a fault of ours. */
function refusalOf(error: unknown): ReasonName {
  if (!(error instanceof SidecarError)) throw error;
  return error.code === "JournalOverloaded" ? "Overloaded" : "RecordUnavailable";
}

function isRequestId(value: string | undefined): value is string {
  return value !== undefined && /^[\x21-\x7e]{1,128}$/.test(value);
}
