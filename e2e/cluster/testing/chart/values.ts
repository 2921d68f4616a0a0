/** A value of the chart's that is no group of further ones. */
export type Leaf = readonly [path: string, value: unknown];

/** All values; a map that the chart hands on as it is, such as `tolerations` or `resources.requests`, is one. */
export function leavesOf(values: object, above = ""): Leaf[] {
  return Object.entries(values).flatMap(([key, value]): Leaf[] => {
    const path = `${above}${key}`;
    return isGroup(key, value) ? leavesOf(value, `${path}.`) : [[path, value]];
  });
}

function isGroup(key: string, value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !["requests", "limits", "labels"].includes(key) && Object.keys(value).length > 0;
}

export interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
}

/** Paths of what a schema has properties for; of `$ref`s, the path of the reference. */
export function pathsOf(schema: JsonSchema, above = ""): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, each]) =>
    each.properties === undefined ? [`${above}${key}`] : pathsOf(each, `${above}${key}.`),
  );
}

/** Another value for each, as JSON, and what must be set for it to matter. */
const EMBEDDED = "postgres.embedded.enabled=true";
const SCALED = "hub.autoscaling.enabled=true";
const MANAGED = ["hub.tls.certManager.enabled=true", 'hub.tls.certManager.issuer="ours"'];
const DASHBOARD = "grafana.dashboard.enabled=true";
const CLI = "cli.enabled=true";
const NAME = '"another"';
const LABELS = '{"a.example/b":"c"}';
const STREAMS = '{"metric":{"name":"heauth_hub_streams"},"target":{"type":"AverageValue","averageValue":"500"}}';
const METRICS = `[{"type":"Pods","pods":${STREAMS}}]`;
const QUANTITIES = '{"memory":"99Mi"}';

const POD: Readonly<Record<string, string>> = {
  "resources.requests": QUANTITIES,
  "resources.limits": QUANTITIES,
  podAnnotations: LABELS,
  nodeSelector: LABELS,
  tolerations: '[{"key":"a","operator":"Exists"}]',
  affinity: '{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[]}}',
  priorityClassName: NAME,
};

function ofPod(program: string): Record<string, readonly string[]> {
  return Object.fromEntries(
    Object.entries({ ...POD, replicas: "3" }).map(([key, other]) => [`${program}.${key}`, [other]]),
  );
}

function injected(container: string): Record<string, readonly string[]> {
  const resources = ["requests", "limits"].map((key) => `injection.resources.${container}.${key}`);
  return Object.fromEntries(resources.map((path) => [path, [QUANTITIES]]));
}

export const SWITCHED: Readonly<Record<string, readonly string[]>> = {
  "image.repository": ['"registry.example.org/heauth"'],
  "image.tag": ['"2.0.0"'],
  "image.pullPolicy": ['"Never"'],
  "image.pullSecrets": ['["mine"]'],
  logLevel: ['"debug"'],
  listenHost: ['"[::]"'],
  issuer: ['"https://auth.example.org"'],
  "database.key": ['"dsn"'],
  "database.ownerSecret": [NAME],
  "database.operatorSecret": [NAME],
  "database.hubSecret": [NAME],
  "database.identitySecret": [NAME],
  "postgres.embedded.enabled": ["true"],
  "postgres.embedded.image": ['"postgres:17"', EMBEDDED],
  "postgres.embedded.runAsUser": ["70", EMBEDDED],
  "postgres.embedded.storage": ['"9Gi"', EMBEDDED],
  "postgres.embedded.storageClassName": ['"fast"', EMBEDDED],
  "postgres.embedded.resources.requests": [QUANTITIES, EMBEDDED],
  "postgres.embedded.resources.limits": [QUANTITIES, EMBEDDED],
  "keys.create": ["false"],
  "keys.identitySecret": [NAME],
  "keys.hubSecret": [NAME],
  "keys.operatorSecret": [NAME],
  "keys.cliSecret": [NAME],
  "keys.ledgerConfigMap": [NAME],
  "keys.resources.requests": [QUANTITIES],
  "keys.resources.limits": [QUANTITIES],
  "migrate.enabled": ["false"],
  "migrate.resources.requests": [QUANTITIES],
  "migrate.resources.limits": [QUANTITIES],
  ...ofPod("operator"),
  "operator.lease": ['"30s"'],
  "operator.anchorInterval": ['"1m"'],
  "operator.resync": ['"1h"'],
  ...ofPod("webhook"),
  "injection.envoyImage": ['"registry.example.org/envoy"'],
  "injection.walQuota": ["64"],
  "injection.walClaims": ["true"],
  "injection.ports.envoy": ["15106"],
  "injection.ports.health": ["15120"],
  ...injected("redirect"),
  ...injected("heauth"),
  ...injected("envoy"),
  ...ofPod("hub"),
  "hub.tls.secret": [NAME],
  "hub.tls.certManager.enabled": ["true", 'hub.tls.certManager.issuer="ours"'],
  "hub.tls.certManager.issuer": [NAME, ...MANAGED],
  "hub.tls.certManager.issuerKind": ['"ClusterIssuer"', ...MANAGED],
  "hub.goodbyes": ['"5s"'],
  "hub.autoscaling.enabled": ["true"],
  "hub.autoscaling.minReplicas": ["3", SCALED],
  "hub.autoscaling.maxReplicas": ["20", SCALED],
  "hub.autoscaling.targetCPU": ["50", SCALED],
  "hub.autoscaling.metrics": [METRICS, SCALED],
  ...ofPod("identity"),
  "identity.tls.secret": [NAME],
  "identity.tenantRegistration": ["true"],
  "identity.requestIds": ['"Required"'],
  "identity.trustedHops": ["1"],
  "identity.hashingThreads": ["4"],
  "identity.hashingQueue": ["10"],
  "identity.service.type": ['"LoadBalancer"'],
  "identity.service.annotations": [LABELS],
  "cli.enabled": ["true"],
  ...Object.fromEntries(Object.entries(POD).map(([key, other]) => [`cli.${key}`, [other, CLI]])),
  "crds.install": ["false"],
  "podDisruptionBudgets.enabled": ["false"],
  "networkPolicies.enabled": ["false"],
  "networkPolicies.metricsFrom": ['[{"namespaceSelector":{}}]'],
  "networkPolicies.identityFrom": ['[{"namespaceSelector":{}}]'],
  "networkPolicies.apiServer": ['["10.0.0.0/8"]'],
  "prometheus.serviceMonitor.enabled": ["false"],
  "prometheus.serviceMonitor.labels": [LABELS],
  "prometheus.serviceMonitor.interval": ['"10s"'],
  "prometheus.rules.enabled": ["false"],
  "prometheus.rules.labels": [LABELS],
  "grafana.dashboard.enabled": ["true"],
  "grafana.dashboard.labels": [LABELS, DASHBOARD],
};

export const EVERYTHING = [
  EMBEDDED,
  SCALED,
  ...MANAGED,
  DASHBOARD,
  CLI,
  'identity.tls.secret="heauth-identity-tls"',
  'networkPolicies.apiServer=["10.0.0.0/8"]',
];
