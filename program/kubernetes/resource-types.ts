/** A kind of object and where the API server keeps it. */
export interface ResourceType {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

function resourceType(group: string, version: string, plural: string, kind: string, namespaced: boolean): ResourceType {
  return { group, version, plural, kind, namespaced };
}

export const TENANTS = resourceType("heauth.io", "v1alpha1", "tenants", "Tenant", false);
export const AUTH_POLICIES = resourceType("heauth.io", "v1alpha1", "authpolicies", "AuthPolicy", true);
export const SECRETS = resourceType("", "v1", "secrets", "Secret", true);
export const CONFIG_MAPS = resourceType("", "v1", "configmaps", "ConfigMap", true);
export const NAMESPACES = resourceType("", "v1", "namespaces", "Namespace", false);
export const PODS = resourceType("", "v1", "pods", "Pod", true);
export const SERVICE_ACCOUNTS = resourceType("", "v1", "serviceaccounts", "ServiceAccount", true);
export const LEASES = resourceType("coordination.k8s.io", "v1", "leases", "Lease", true);
export const EVENTS = resourceType("events.k8s.io", "v1", "events", "Event", true);
export const TOKEN_REVIEWS = resourceType("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false);
export const VALIDATING_WEBHOOKS = resourceType(
  "admissionregistration.k8s.io",
  "v1",
  "validatingwebhookconfigurations",
  "ValidatingWebhookConfiguration",
  false,
);
export const MUTATING_WEBHOOKS = resourceType(
  "admissionregistration.k8s.io",
  "v1",
  "mutatingwebhookconfigurations",
  "MutatingWebhookConfiguration",
  false,
);

/** `apiVersion` of objects of this type. */
export function apiVersionOf({ group, version }: ResourceType): string {
  return group === "" ? version : `${group}/${version}`;
}
