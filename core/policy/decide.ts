import { isStale, refusedSession, refusedToken } from "./credential-checks.ts";
import type { Decision, DecisionInput, Route } from "./decision.ts";
import type { Evidence } from "./evidence.ts";
import type { Parts } from "./parts.ts";
import { type ReasonName, reasons } from "./reasons.ts";
import { isOwnRequest } from "./same-origin.ts";

type Verified = Extract<Evidence, { kind: "Verified" }>;

/** What the policy says: the session that is good, if any, and why the request is denied, if it is. */
interface Verdict {
  readonly session?: Verified;
  readonly reason?: ReasonName;
}

/** Decides a request. The order of the checks is part of the contract: path, rule, credential, session, permission. */
export function decide(parts: Parts, input: DecisionInput): Decision {
  const { reason, session } = judge(parts, input);
  const { policy, upstream } = parts;
  const { rule } = input.route;
  const denied = reason !== undefined && policy.mode === "Enforce";
  const isPublic = rule?.access === "Public";
  return {
    ...outcome(parts, input, reason, denied),
    ...(rule === undefined ? {} : { rule: rule.name, action: rule.action }),
    durability: rule?.durability ?? policy.audit.durability,
    record: reason !== undefined || !isPublic || policy.audit.recordPublicRequests,
    stale: input.evidence.kind === "Verified" && !isPublic && isStale(policy, input.evidence.session),
    ...(session === undefined ? upstream.anonymous : upstream.of(session.session)),
    ...(session !== undefined && upstream.forwards(session.token) ? { forwardCredential: session.source } : {}),
    ...(rule?.maxRequestDurationMs === undefined ? {} : { maxRequestDurationMs: rule.maxRequestDurationMs }),
  };
}

/** The denial for what fails after the decision, or instead of it. It holds in Shadow mode too: no request without a record. */
export function refuse({ policy, upstream }: Parts, { rule }: Route, reason: ReasonName): Decision {
  return {
    effect: "Deny",
    verdict: "Deny",
    wouldDeny: false,
    status: reasons[reason].status,
    reason,
    ...(rule === undefined ? {} : { rule: rule.name, action: rule.action }),
    durability: rule?.durability ?? policy.audit.durability,
    record: true,
    stale: false,
    ...upstream.anonymous,
    ...(reasons[reason].status === 503 ? { retryAfter: seconds(policy.responses.retryAfterMs) } : {}),
  };
}

function judge(parts: Parts, { request, route, evidence, nowMs }: DecisionInput): Verdict {
  const { policy } = parts;
  const { target, rule } = route;
  if (target === undefined) return { reason: "AmbiguousPath" };
  const upgradeDenied = request.upgrade && !rule?.upgrades.includes(request.upgrade.toLowerCase());
  if (rule?.access === "Public") return upgradeDenied ? { reason: "UpgradeDenied" } : {};

  if (evidence.kind === "None") return { reason: "NoCredential" };
  if (evidence.kind === "Refused") return { reason: evidence.reason };
  if (!policy.authentication.credentials.includes(evidence.source)) return { reason: "NoCredential" };
  const refused = refusedToken(policy, evidence.token, nowMs) ?? refusedSession(policy, evidence.session, nowMs);
  if (refused !== undefined) return { reason: refused };

  const session = evidence;
  if (evidence.source === "Cookie" && !isOwnRequest(request)) return { session, reason: "CrossSite" };
  if (rule === undefined && policy.defaultAction === "Deny") return { session, reason: "NoRule" };
  if (upgradeDenied) return { session, reason: "UpgradeDenied" };
  if (rule === undefined) return { session };
  if (rule.access === "Roles" && !rule.roles.some((role) => evidence.session.roles.includes(role))) {
    return { session, reason: "RoleMissing" };
  }
  const condition = parts.conditions.get(rule);
  if (condition === undefined) return { session };
  const { id, subject, roles } = evidence.session;
  const result = condition({
    request: { method: request.method, path: target.decoded, query: target.query },
    session: { id, subject, roles, tenant: policy.tenant.name },
  });
  if (result === "True") return { session };
  return { session, reason: result === "False" ? "ConditionFalse" : "ConditionError" };
}

/** What is answered: the verdict, unless the mode is Shadow. */
function outcome({ policy }: Parts, { request }: DecisionInput, reason: ReasonName | undefined, denied: boolean) {
  if (reason === undefined) return { effect: "Allow", verdict: "Allow", wouldDeny: false, status: 200 } as const;
  if (!denied) return { effect: "Allow", verdict: "Deny", wouldDeny: true, status: 200, reason } as const;
  const { status } = reasons[reason];
  const { redirectTo, retryAfterMs } = policy.responses;
  const navigates = request.secFetchMode === "navigate" && (request.method === "GET" || request.method === "HEAD");
  return {
    effect: "Deny",
    verdict: "Deny",
    wouldDeny: false,
    status,
    reason,
    ...(status === 401 && redirectTo !== undefined && navigates ? { redirectTo } : {}),
    ...(status === 503 ? { retryAfter: seconds(retryAfterMs) } : {}),
  } as const;
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
