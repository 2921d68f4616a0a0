import type { KubeObject } from "@heauth/program/kubernetes";

/** Objects as somebody writes them. */
type Written = KubeObject & Record<string, unknown>;

export function tenantObject(name: string, spec: object, annotations: Record<string, string>): Written {
  const apiVersion = "heauth.io/v1alpha1";
  const open = { audiences: ["shop"], allowedNamespaces: { from: "All" } };
  return { apiVersion, kind: "Tenant", metadata: { name, annotations }, spec: { ...open, ...spec } };
}

/** `spec`: with its `tenantRef`. */
export function policyObject(namespace: string, name: string, spec: object): Written {
  const apiVersion = "heauth.io/v1alpha1";
  const usual = { selector: { matchLabels: { app: name } }, ports: [{ port: 8080, protocol: "HTTP" }] };
  return { apiVersion, kind: "AuthPolicy", metadata: { namespace, name }, spec: { ...usual, ...spec } };
}

/** A signing secret, under `key`, for one tenant. */
export function secretObject(namespace: string, name: string, tenant: string, value: string): Written {
  const metadata = { namespace, name, labels: { "heauth.io/tenant": tenant } };
  return { metadata, data: { key: Buffer.from(value).toString("base64") } };
}
