/** A spec, or some of its fields, as in a manifest. */
export type Spec = Readonly<Record<string, unknown>>;

/** What a scene is to be like, where it is not the usual one. */
export interface SceneOptions {
  /** The level of injection; `enabled` unless given. */
  readonly injection?: "enabled" | "required";
  /** Over the fields of the Tenant's usual spec. */
  readonly tenant?: Spec;
  /** Over the fields of the AuthPolicy's usual spec. */
  readonly policy?: Spec;
  /** Over the fields of the app's usual pod. */
  readonly pod?: Spec;
  readonly replicas?: number;
}

const API = "heauth.io/v1alpha1";

/**
 * Manifests of a scene: first what is to be there before pods come, then the pods. The app answers on port 8080; everybody may read
 * /healthz, any session reads everything else, writers write, the rest is denied.
 */
export function appObjects(name: string, image: string, options: SceneOptions) {
  const container = { image, imagePullPolicy: "IfNotPresent", args: ["listen", "8080"] };
  const labels = { app: "app" };
  const resources = [
    {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "heauth.io/injection": options.injection ?? "enabled" } },
    },
    { apiVersion: API, kind: "Tenant", metadata: { name }, spec: { ...tenantSpec(name), ...options.tenant } },
    {
      apiVersion: API,
      kind: "AuthPolicy",
      metadata: { name: "app", namespace: name },
      spec: { ...policySpec(name), ...options.policy },
    },
  ];
  const workloads = [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "app" },
      spec: {
        replicas: options.replicas ?? 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [
              {
                name: "app",
                ...container,
                readinessProbe: { httpGet: { path: "/", port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 },
              },
            ],
            ...options.pod,
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "app" },
      spec: { ipFamilyPolicy: "PreferDualStack", selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "client", labels: { app: "client" } },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "client", ...container }] },
    },
  ];
  return { resources: list(resources), workloads: list(workloads) };
}

function tenantSpec(name: string): Spec {
  return { audiences: [name], allowedNamespaces: { from: "Selector", selector: inNamespace(name) } };
}

const inNamespace = (name: string) => ({ matchLabels: { "kubernetes.io/metadata.name": name } });

function policySpec(name: string): Spec {
  const everything = { type: "PathPrefix", value: "/" };
  return {
    tenantRef: { name },
    selector: { matchLabels: { app: "app" } },
    ports: [{ port: 8080, protocol: "HTTP" }],
    authentication: { audiences: [name] },
    rules: [
      { name: "health", match: [{ path: { type: "Exact", value: "/healthz" }, methods: ["GET"] }], access: "Public" },
      { name: "read", match: [{ path: everything, methods: ["GET"] }], access: "Authenticated", action: "file.read" },
      {
        name: "write",
        match: [{ path: everything, methods: ["PUT"] }],
        access: "Roles",
        roles: ["writer"],
        action: "file.write",
      },
    ],
    defaultAction: "Deny",
  };
}

function list(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
