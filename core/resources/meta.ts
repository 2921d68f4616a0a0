import * as z from "zod";
import { duration, label, map, objectName } from "./fields.ts";
import { rule, withRules } from "./rule.ts";

const name = { description: "Its name." };

/** Kubernetes' ObjectMeta, as far as heauth reads it; the API server owns the rest. */
const objectMeta = {
  labels: z.record(z.string(), z.string().max(63)).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  generation: z.int().optional(),
  uid: z.string().optional(),
};

export const clusterMeta = z.looseObject({
  name: label().meta(name),
  namespace: z.undefined().optional(),
  ...objectMeta,
});
export const namespacedMeta = z.looseObject({ name: objectName().meta(name), namespace: label(), ...objectMeta });

/** metav1.LabelSelector. */
export function labelSelector() {
  return withRules(
    z.strictObject({
      matchLabels: map(z.string().max(63), 16)
        .optional()
        .meta({ description: "Labels that must have exactly these values." }),
      matchExpressions: z
        .array(
          z.strictObject({
            key: z.string().min(1).max(317).meta({ description: "The label." }),
            operator: z
              .enum(["In", "NotIn", "Exists", "DoesNotExist"])
              .meta({ description: "How the label's value relates to `values`." }),
            values: z
              .array(z.string().max(63))
              .max(16)
              .optional()
              .meta({ description: "For `In` and `NotIn`.", "x-kubernetes-list-type": "atomic" }),
          }),
        )
        .max(16)
        .optional()
        .meta({ description: "Requirements on labels, all of which must hold.", "x-kubernetes-list-type": "atomic" }),
    }),
    rule(
      "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
      "at least one label in matchLabels or matchExpressions",
    ),
  );
}

/** A key of a Secret in the release's own namespace. */
export function secretKeyRef() {
  return z.strictObject({
    name: objectName().meta({
      description: "The Secret's name, in heauth's own namespace, labelled `heauth.io/tenant`.",
    }),
    key: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[-._a-zA-Z0-9]+$/)
      .meta({ description: "The key in its data." }),
  });
}

/** metav1.Condition. */
export const conditions = z
  .array(
    z.strictObject({
      type: z.string().min(1).max(316).meta({ description: "What the condition is about." }),
      status: z.enum(["True", "False", "Unknown"]).meta({ description: "Whether it holds." }),
      observedGeneration: z.int().min(0).optional().meta({ description: "The generation that this was said of." }),
      lastTransitionTime: z.iso
        .datetime({ offset: true })
        .max(64)
        .meta({ description: "When the status last changed.", format: "date-time" }),
      reason: z
        .string()
        .min(1)
        .max(1024)
        .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
        .meta({ description: "Why, as a stable word." }),
      message: z.string().max(32768).meta({ description: "Why, for people." }),
    }),
  )
  .max(16)
  .optional()
  .meta({
    description: "What heauth says of this resource.",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
  });

/** A duration field with a default and what it is for. */
export function durationField(value: string, description: string) {
  return duration().default(value).meta({ description });
}
