import * as z from "zod";
import { OperatorError } from "../../errors.ts";

const text = z.string().max(1024);
const object = z.record(z.string(), z.unknown()).nullish();

/** AdmissionReview of admission.k8s.io/v1, as far as it is read. Who asks, and whether it is a dry run, makes no difference to the answer. */
const reviewSchema = z.object({
  apiVersion: z.literal("admission.k8s.io/v1"),
  kind: z.literal("AdmissionReview"),
  request: z.object({
    uid: text.min(1),
    kind: z.object({ group: text, version: text, kind: text }),
    subResource: text.optional(),
    operation: z.enum(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
    name: text.optional(),
    namespace: text.optional(),
    object,
    oldObject: object,
  }),
});

export type AdmissionRequest = z.output<typeof reviewSchema>["request"];

/**
 * Reads the API server's question.
 * @throws OperatorError ReviewUnreadable, naming the field
 */
export function readReview(body: unknown): AdmissionRequest {
  const parsed = reviewSchema.safeParse(body);
  if (parsed.success) return parsed.data.request;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "the body";
  throw new OperatorError("ReviewUnreadable", `not an AdmissionReview of admission.k8s.io/v1: ${field} is wrong`);
}
