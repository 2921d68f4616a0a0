import { describeProblem, type FieldProblem, type FieldProblemCode } from "@heauth/core/resources";
import type { podPatch, Refusal } from "../injection/index.ts";
import type { AdmissionRequest } from "./review.ts";

/** AdmissionReview of admission.k8s.io/v1, with the answer. */
export interface ReviewAnswer {
  readonly apiVersion: "admission.k8s.io/v1";
  readonly kind: "AdmissionReview";
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly warnings?: readonly string[];
    readonly patchType?: "JSONPatch";
    /** RFC 6902, as JSON in base64. */
    readonly patch?: string;
    /** metav1.Status, which the API server hands on. */
    readonly status?: object;
  };
}

/** Problems that are told of one by one. */
const TOLD = 20;
const LENGTH = 1_000;

/** metav1.CauseType, where there is one that fits. */
const causes: Readonly<Record<FieldProblemCode, string>> = {
  Invalid: "FieldValueInvalid",
  Required: "FieldValueRequired",
  UnknownField: "FieldValueForbidden",
  Duplicate: "FieldValueDuplicate",
  Forbidden: "FieldValueForbidden",
  NotSupported: "FieldValueNotSupported",
  LimitExceeded: "FieldValueForbidden",
};

/** Yes; warnings are shown to whoever asked. */
export function allowed({ uid }: AdmissionRequest, warnings: readonly string[]): ReviewAnswer {
  return answer({ uid, allowed: true, ...(warnings.length > 0 && { warnings }) });
}

/** Yes, changed like this. */
export function patched(
  { uid }: AdmissionRequest,
  operations: ReturnType<typeof podPatch>,
  warnings: readonly string[],
): ReviewAnswer {
  const patch = Buffer.from(JSON.stringify(operations)).toString("base64");
  return answer({ uid, allowed: true, patchType: "JSONPatch", patch, ...(warnings.length > 0 && { warnings }) });
}

/** No: the pod can't be let in like this. The reason stands in the message too, because that is what `kubectl` shows. */
export function podRefused({ uid, kind, name }: AdmissionRequest, { reason, message }: Refusal): ReviewAnswer {
  const told = bounded(`${reason}: ${message}`);
  const details = { kind: kind.kind, ...(name && { name }), causes: [{ reason, message: told }] };
  return answer({ uid, allowed: false, status: { code: 403, reason: "Forbidden", message: told, details } });
}

/** No: what the answer rests on can't be known now. Not an HTTP error, so that it is a no under any failurePolicy. */
export function notKnown({ uid }: AdmissionRequest, message: string): ReviewAnswer {
  const status = { code: 503, reason: "ServiceUnavailable", message: bounded(message) };
  return answer({ uid, allowed: false, status });
}

/** No, with each field and what is expected there: for people in the message, for programs in the causes. */
export function refused({ uid, kind, name }: AdmissionRequest, problems: readonly FieldProblem[]): ReviewAnswer {
  const told = problems.slice(0, TOLD);
  const left = problems.length - told.length;
  const lines = told.map((problem) => bounded(describeProblem(problem)));
  const status = {
    code: 422,
    reason: "Invalid",
    message: [...lines, ...(left > 0 ? [`and ${left} more`] : [])].join("; "),
    details: {
      group: kind.group,
      kind: kind.kind,
      ...(name && { name }),
      causes: told.map((problem) => ({
        reason: causes[problem.code],
        field: bounded(problem.field),
        message: bounded(`${problem.value === undefined ? "" : `${problem.value}: `}expected ${problem.expected}`),
      })),
    },
  };
  return answer({ uid, allowed: false, status });
}

function answer(response: ReviewAnswer["response"]): ReviewAnswer {
  return { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response };
}

function bounded(text: string): string {
  return text.length > LENGTH ? `${text.slice(0, LENGTH - 1)}…` : text;
}
