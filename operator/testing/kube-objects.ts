import type { KubeObject } from "@heauth/program/kubernetes";

/** Objects as a test writes them. */
type Written = KubeObject & Record<string, unknown>;

export function tenantObject(name: string, spec: object = {}, annotations: Record<string, string> = {}): Written {
  return {
    apiVersion: "heauth.io/v1alpha1",
    kind: "Tenant",
    metadata: { name, annotations },
    spec: { audiences: ["shop"], allowedNamespaces: { from: "All" }, ...spec },
  };
}

export function policyObject(namespace: string, name: string, spec: object = {}): Written {
  return {
    apiVersion: "heauth.io/v1alpha1",
    kind: "AuthPolicy",
    metadata: { namespace, name },
    spec: {
      tenantRef: { name: "acme" },
      selector: { matchLabels: { app: name } },
      ports: [{ port: 8080, protocol: "HTTP" }],
      ...spec,
    },
  };
}

export function namespaceObject(name: string, labels: Record<string, string> = {}): Written {
  return { metadata: { name, labels } };
}

export function secretObject(namespace: string, name: string, tenant: string | undefined, value: string): Written {
  const labels: Record<string, string> = tenant === undefined ? {} : { "heauth.io/tenant": tenant };
  return { metadata: { namespace, name, labels }, data: { key: Buffer.from(value).toString("base64") } };
}

export function podObject(
  namespace: string,
  name: string,
  labels: Record<string, string>,
  options: { readonly injected?: boolean } = {},
): Written {
  const container = { name: "app", image: "app" };
  const sidecar = { name: "heauth", image: "heauth", restartPolicy: "Always" };
  const spec = { containers: [container], ...(options.injected && { initContainers: [sidecar] }) };
  return { metadata: { namespace, name, labels }, spec: { ...spec, automountServiceAccountToken: false } };
}
