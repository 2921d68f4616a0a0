import { authPolicy, changed } from "@heauth/core/resources/testing";
import { type Pod, readPod } from "../injection/pod.ts";
import { settings } from "../injection/testing/pods.ts";
import { type Cluster, installWebhook, kubectl, startReplica, type TestReplica } from "./webhook-rig.ts";

/** Namespaces with what they are labelled with; each has a default service account, as a controller would make it. */
const NAMESPACES = { shop: "enabled", strict: "required", plain: undefined } as const;

/** An AuthPolicy that selects `app: <name>`, with more replaced by path. */
export function policyFor(name: string, { namespace = "shop", ...more }: Record<string, unknown> = {}): object {
  const named = { ...authPolicy, metadata: { name, namespace: String(namespace) } };
  const all = { "spec.selector.matchLabels": { app: name }, ...more };
  return Object.entries(all).reduce((policy: object, [path, value]) => changed(policy, path, value), named);
}

/** A pod with the label `app: <app>`. Without a token, whose volume has another name in each pod. */
export function podFor(app: string, { metadata = {}, spec = {}, container = {} } = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: `${app}-`, namespace: "shop", labels: { app }, ...metadata },
    spec: { automountServiceAccountToken: false, containers: [{ name: "app", image: "app", ...container }], ...spec },
  };
}

/** A webhook that injects, in a cluster with namespaces to inject into, and AuthPolicy `web` in two of them. */
export interface InjectingCluster {
  readonly webhook: TestReplica;
  /** As a user does; what kubectl says where it is refused. */
  create(object: object, ...flags: string[]): Promise<{ readonly pod: Pod | undefined; readonly said: string }>;
}

export async function startInjecting(server: Cluster): Promise<InjectingCluster> {
  await apply(server, [
    ...Object.entries(NAMESPACES).map(([name, level]) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: level === undefined ? {} : { "heauth.io/injection": level } },
    })),
    ...Object.keys(NAMESPACES).map((namespace) => ({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "default", namespace },
    })),
    policyFor("web"),
    policyFor("web", { namespace: "strict" }),
    // Before there is a webhook that would not have it stored.
    policyFor("wrong", { "spec.rules.2.when": "nonsense" }),
  ]);
  await installWebhook(server, {}, { injection: true });
  const webhook = await startReplica(server, { injection: settings });
  return {
    webhook,
    async create(object, ...flags) {
      const { stdout, stderr } = await server.kubectl(
        ["create", "-o", "json", ...flags, "-f", "-"],
        JSON.stringify(object),
      );
      return { pod: stdout === "" ? undefined : readPod(JSON.parse(stdout)), said: stderr };
    },
  };
}

export async function apply(server: Cluster, items: readonly object[]): Promise<void> {
  await kubectl(server, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

/** What somebody would write to make the same pod again. */
export function manifestOf({ metadata, spec }: Pod): object {
  const { labels, annotations, namespace } = metadata;
  return { apiVersion: "v1", kind: "Pod", metadata: { generateName: "again-", namespace, labels, annotations }, spec };
}
