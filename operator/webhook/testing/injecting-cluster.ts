import { authPolicy, changed } from "@heauth/core/resources/testing";
import { pause } from "@heauth/program";
import {
  AUTH_POLICIES,
  type ClusterClient,
  type KubeObject,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  PODS,
  type ResourceType,
  SERVICE_ACCOUNTS,
} from "@heauth/program/kubernetes";
import { type Pod, readPod } from "../injection/pod.ts";
import { settings } from "../injection/testing/pods.ts";
import { type Cluster, installWebhook, startReplica, type TestReplica } from "./webhook-rig.ts";

/** Namespaces with what they are labelled with; each has a default service account, as a controller would make it. */
const LEVELS = { shop: "enabled", strict: "required", plain: undefined } as const;

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

/** A real API server. */
interface Server extends Cluster {
  readonly client: ClusterClient;
}

/** What became of a pod that was to be created: the pod, or why there is none. */
export interface Created {
  readonly pod: Pod | undefined;
  readonly said: string;
}

/** A webhook that injects, in a cluster with namespaces to inject into, and AuthPolicy `web` in two of them. */
export interface InjectingCluster {
  readonly webhook: TestReplica;
  apply(...objects: object[]): Promise<void>;
  create(pod: object): Promise<Created>;
  /** Creates it again and again until it comes out as told: the API server goes by a new configuration when it has heard of it. */
  createUntil(pod: object, fits: (created: Created) => boolean): Promise<Created>;
  /** As a user does, and with what kubectl shows; nothing is made. */
  tryOut(pod: object): Promise<Created>;
}

export async function startInjecting(server: Server): Promise<InjectingCluster> {
  const apply = async (...objects: object[]) => {
    for (const object of objects) await applyOne(server.client, object as KubeObject);
  };
  for (const [namespace, level] of Object.entries(LEVELS)) {
    const labels = level === undefined ? {} : { "heauth.io/injection": level };
    await apply(
      { kind: "Namespace", metadata: { name: namespace, labels } },
      { kind: "ServiceAccount", metadata: { name: "default", namespace } },
    );
  }
  // The last one before there is a webhook, which would not have it stored.
  await apply(
    policyFor("web"),
    policyFor("web", { namespace: "strict" }),
    policyFor("wrong", { "spec.rules.2.when": "nonsense" }),
  );
  await installWebhook(server, {}, { injection: true });
  const webhook = await startReplica(server, { injection: settings });
  const create = (pod: object): Promise<Created> =>
    server.client.create(PODS, pod as KubeObject).then(
      (made) => ({ pod: readPod(made), said: "" }),
      ({ message }: Error) => ({ pod: undefined, said: message }),
    );
  const createUntil: InjectingCluster["createUntil"] = async (pod, fits) => {
    for (let tries = 0; ; tries++) {
      const created = await create(pod);
      if (fits(created)) return created;
      if (tries === 300) throw new Error(`a pod never came out as it should: ${created.said}`);
      await pause(100);
    }
  };
  await createUntil(podFor("web"), ({ pod }) => pod?.spec.initContainers !== undefined);
  return {
    webhook,
    apply,
    create,
    createUntil,
    async tryOut(pod) {
      const flags = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
      const { stdout, stderr } = await server.kubectl(flags, JSON.stringify(pod));
      return { pod: stdout === "" ? undefined : readPod(JSON.parse(stdout)), said: stderr };
    },
  };
}

const types: Readonly<Record<string, ResourceType>> = Object.fromEntries(
  [AUTH_POLICIES, MUTATING_WEBHOOKS, NAMESPACES, SERVICE_ACCOUNTS].map((type) => [type.kind, type]),
);

async function applyOne(client: ClusterClient, object: KubeObject): Promise<void> {
  const type = types[object.kind ?? ""];
  if (type === undefined) throw new Error(`nothing is known of ${object.kind}`);
  await client.apply(type, object, { fieldManager: "test" });
}

/** What somebody would write to make the same pod again. */
export function manifestOf({ metadata, spec }: Pod): object {
  const { labels, annotations, namespace } = metadata;
  return { apiVersion: "v1", kind: "Pod", metadata: { generateName: "again-", namespace, labels, annotations }, spec };
}
