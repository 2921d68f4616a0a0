import type * as z from "zod";
import { authPolicySchema } from "./auth-policy.ts";
import { structural } from "./structural.ts";
import { tenantSchema } from "./tenant.ts";

interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  readonly description: string;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly scope: "Cluster" | "Namespaced";
  readonly description: string;
  readonly schema: z.ZodType;
  readonly columns: readonly PrinterColumn[];
}

const condition = (type: string) => `.status.conditions[?(@.type=="${type}")].status`;

/** The kinds of the group `heauth.io`. */
export const kinds: readonly Kind[] = [
  {
    kind: "Tenant",
    plural: "tenants",
    shortName: "ten",
    scope: "Cluster",
    description: "Tenant: who may log in, for how long, and how it is accounted for.",
    schema: tenantSchema,
    columns: [
      { name: "Ready", type: "string", jsonPath: condition("Ready"), description: "Whether users can log in." },
      { name: "Sealed", type: "integer", jsonPath: ".status.ledger.size", description: "Entries in the sealed log." },
      { name: "Checkpoint", type: "date", jsonPath: ".status.ledger.time", description: "Age of the last checkpoint." },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age of the resource." },
    ],
  },
  {
    kind: "AuthPolicy",
    plural: "authpolicies",
    shortName: "ap",
    scope: "Namespaced",
    description: "AuthPolicy: which requests to which pods are allowed, and how they are recorded.",
    schema: authPolicySchema,
    columns: [
      { name: "Tenant", type: "string", jsonPath: ".spec.tenantRef.name", description: "Whose sessions are accepted." },
      { name: "Mode", type: "string", jsonPath: ".spec.mode", description: "Enforce or Shadow." },
      { name: "Accepted", type: "string", jsonPath: condition("Accepted"), description: "Whether it is valid." },
      {
        name: "Enforced",
        type: "string",
        jsonPath: condition("Enforced"),
        description: "Whether every pod enforces it.",
      },
      { name: "Pods", type: "integer", jsonPath: ".status.pods.selected", description: "Pods that it selects." },
      { name: "Synced", type: "integer", jsonPath: ".status.pods.synced", description: "Pods that enforce it." },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age of the resource." },
    ],
  },
];

/** A kind's CustomResourceDefinition (apiextensions.k8s.io/v1), as an object. */
export function customResourceDefinition({ kind, plural, shortName, scope, description, schema, columns }: Kind) {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.heauth.io` },
    spec: {
      group: "heauth.io",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ["heauth"],
      },
      scope,
      versions: [
        {
          name: "v1alpha1",
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: { description, ...structural(schema) } },
        },
      ],
    },
  };
}
