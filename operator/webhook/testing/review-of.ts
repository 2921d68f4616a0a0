import type { Resource } from "@heauth/core/resources";

interface Around {
  readonly operation?: "CREATE" | "UPDATE" | "DELETE";
  readonly old?: object;
  readonly [field: string]: unknown;
}

/** The API server's question about a resource, as it would put it. */
export function reviewOf(resource: object, { operation = "CREATE", old, ...more }: Around = {}) {
  const { kind = "AuthPolicy", metadata } = resource as Partial<Resource>;
  const namespace = kind === "Tenant" ? undefined : metadata?.namespace;
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "705ab4f5-6393-11e8-b7cc-42010a800002",
      kind: { group: "heauth.io", version: "v1alpha1", kind },
      resource: { group: "heauth.io", version: "v1alpha1", resource: kind === "Tenant" ? "tenants" : "authpolicies" },
      requestKind: { group: "heauth.io", version: "v1alpha1", kind },
      name: metadata?.name,
      ...(namespace === undefined ? {} : { namespace }),
      operation,
      userInfo: { username: "admin", groups: ["system:authenticated"] },
      object: operation === "DELETE" ? null : resource,
      oldObject: old ?? null,
      dryRun: false,
      options: { apiVersion: "meta.k8s.io/v1", kind: "CreateOptions" },
      ...more,
    },
  };
}
