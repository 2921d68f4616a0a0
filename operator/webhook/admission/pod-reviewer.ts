import { fieldProblem } from "@heauth/core/resources";
import { asError, type Logger, type Metrics } from "@heauth/program";
import { type ClusterClient, isClusterError } from "@heauth/program/kubernetes";
import { OperatorError } from "../../errors.ts";
import {
  type Around,
  answerPod,
  ephemeralRefusal,
  type InjectionSettings,
  imageRefusal,
  labelRefusal,
  type PodAnswer,
  podPatch,
} from "../injection/index.ts";
import { allowed, notKnown, patched, podRefused, type ReviewAnswer, refused } from "./answer.ts";
import { lookAround } from "./around-pod.ts";
import { type AdmissionRequest, readReview } from "./review.ts";

export interface PodReviewerOptions {
  readonly client: ClusterClient;
  readonly settings: InjectionSettings;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Answers the API server's questions about pods; both reject with OperatorError ReviewUnreadable. */
export interface PodReviewer {
  /** About one that is to be created: how it is injected. */
  mutate(body: unknown): Promise<ReviewAnswer>;
  /** About a change to one that is there. */
  validate(body: unknown): Promise<ReviewAnswer>;
}

const EPHEMERAL = "ephemeralcontainers";
/** Whoever may write it may change labels with it. */
const STATUS = "status";

type Judge = (request: AdmissionRequest, around: Around) => PodAnswer;

const creation: Judge = ({ object }, around) => answerPod(object, around);

const change: Judge = ({ subResource, object, oldObject }, around) => {
  const refusal =
    subResource === EPHEMERAL
      ? ephemeralRefusal(oldObject, object, around)
      : (imageRefusal(oldObject, object, around) ?? labelRefusal(oldObject, object, around));
  return refusal === undefined ? { outcome: "Unchanged" } : { outcome: "Refused", ...refusal };
};

/** A question that can be asked of each judge. */
interface About {
  readonly operation: AdmissionRequest["operation"];
  readonly subResources: readonly string[];
}

export function createPodReviewer({ client, settings, log, metrics }: PodReviewerOptions): PodReviewer {
  async function review(body: unknown, about: About, judge: Judge): Promise<ReviewAnswer> {
    const begun = performance.now();
    const request = readReview(body);
    const { decision, answer, why } = await decide(request, about, judge);
    metrics.counter("heauth_admission_reviews_total", { kind: "Pod", decision }).add();
    metrics.histogram("heauth_admission_review_seconds", { kind: "Pod" }).record((performance.now() - begun) / 1000);
    const { operation, namespace, name } = request;
    log[decision === "Allow" ? "debug" : "info"](
      { kind: "Pod", operation, namespace, name, decision, why },
      "reviewed",
    );
    return answer;
  }

  async function decide(request: AdmissionRequest, about: About, judge: Judge) {
    const { kind, operation, subResource = "", namespace } = request;
    const isPod = kind.group === "" && kind.kind === "Pod" && about.subResources.includes(subResource);
    if (!isPod || operation !== about.operation || namespace === undefined) {
      const found = `${operation} ${kind.kind}${subResource && `/${subResource}`}`;
      const answer = refused(request, [fieldProblem("NotSupported", ["kind"], found, `${about.operation} Pod`)]);
      return { decision: "Deny", answer, why: "NotSupported" } as const;
    }
    try {
      const judged = judge(request, await lookAround(client, namespace, settings));
      if (judged.outcome === "Refused") {
        return { decision: "Deny", answer: podRefused(request, judged), why: judged.reason } as const;
      }
      const answer =
        judged.outcome === "Injected" ? patched(request, podPatch(judged.pod), judged.warnings) : allowed(request, []);
      return { decision: "Allow", answer, why: judged.outcome } as const;
    } catch (error) {
      if (!isClusterError(error) && !(error instanceof OperatorError)) throw error;
      log.warn({ err: asError(error), namespace }, "a pod is refused: what is around it can't be known");
      const reason = error instanceof OperatorError ? error.message : `the API server does not tell (${error.code})`;
      const message = `heauth can't know which AuthPolicy is the pod's: ${reason}; no pod is let in unguarded`;
      return { decision: "Error", answer: notKnown(request, message), why: error.code } as const;
    }
  }

  return {
    mutate: (body) => review(body, { operation: "CREATE", subResources: [""] }, creation),
    validate: (body) => review(body, { operation: "UPDATE", subResources: ["", STATUS, EPHEMERAL] }, change),
  };
}
