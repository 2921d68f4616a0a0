import type { Logger, Metrics } from "@heauth/program";
import type { ClusterClient } from "@heauth/program/kubernetes";
import { allowed, type ReviewAnswer, refused } from "./answer.ts";
import { checkRequest } from "./check.ts";
import { type AdmissionRequest, readReview } from "./review.ts";
import { warningsFor } from "./warnings.ts";

export interface ReviewerOptions {
  /** For warnings only: no answer depends on it. */
  readonly client: ClusterClient;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * Answers the API server's questions.
 * @returns what answers one; rejects with OperatorError ReviewUnreadable
 */
export function createReviewer({ client, log, metrics }: ReviewerOptions): (body: unknown) => Promise<ReviewAnswer> {
  return async (body) => {
    const begun = performance.now();
    const request = readReview(body);
    const kind = kindOf(request);
    const { problems, resource } = checkRequest(request);
    const isAllowed = problems.length === 0;
    const warnings = isAllowed && resource !== undefined ? await warningsFor(resource, client, log) : [];
    const decision = isAllowed ? "Allow" : "Deny";
    metrics.counter("heauth_admission_reviews_total", { kind, decision }).add();
    metrics.histogram("heauth_admission_review_seconds", { kind }).record((performance.now() - begun) / 1000);
    const { operation, namespace, name } = request;
    const fields = problems.map(({ code, field }) => `${code} ${field}`.slice(0, 200)).slice(0, 10);
    log[isAllowed ? "debug" : "info"]({ kind, operation, namespace, name, decision, fields }, "reviewed");
    return isAllowed ? allowed(request, warnings) : refused(request, problems);
  };
}

function kindOf({ kind: { kind } }: AdmissionRequest): "Tenant" | "AuthPolicy" | "other" {
  return kind === "Tenant" || kind === "AuthPolicy" ? kind : "other";
}
