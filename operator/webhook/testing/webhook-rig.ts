import { readFile } from "node:fs/promises";
import {
  type Clock,
  createHealth,
  createLogs,
  createMetrics,
  type Health,
  type Metrics,
  pause,
  systemClock,
} from "@heauth/program";
import { openCluster } from "@heauth/program/kubernetes";
import { parseAllDocuments } from "yaml";
import { createWebhook, type Webhook } from "../app.ts";
import type { InjectionSettings } from "../injection/index.ts";

/** Of the real API server that tests start. */
export interface Cluster {
  kubeconfig(user?: { readonly serviceAccount: string; readonly namespace: string }): Promise<string>;
  kubectl(
    args: readonly string[],
    input?: string,
  ): Promise<{ readonly stdout: string; readonly stderr: string; readonly code: number | null }>;
}

export const NAMESPACE = "heauth-system";
export const NAME = "heauth-webhook";
export const SECRET = "heauth-webhook-certificates";

const FILES = ["namespace.yaml", "rbac/webhook.yaml", "webhook.yaml"];
/** Which pods are injected: not installed unless told, because nobody answers for it then. */
const INJECTION = "injection.yaml";
const manifests = new URL("../../../manifests/", import.meta.url);

/**
 * Installs the manifests as they are, with one change: there are no pods behind the Service, so it is another name for this
 * machine. The API server calls, and checks the certificate, by the Service's name.
 */
export async function installWebhook(
  cluster: Cluster,
  more: object = {},
  { injection = false }: { injection?: boolean } = {},
): Promise<void> {
  const files = injection ? [...FILES, INJECTION] : FILES;
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, manifests), "utf8")));
  const items = texts.flatMap((text) => parseAllDocuments(text).map((each) => each.toJS()));
  for (const document of items) {
    if (document.kind === "Service") document.spec = { type: "ExternalName", externalName: "localhost" };
    if (document.webhooks !== undefined) Object.assign(document.webhooks[0], more);
  }
  await kubectl(cluster, ["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

export async function kubectl(cluster: Cluster, args: readonly string[], input?: string): Promise<string> {
  const { stdout, stderr, code } = await cluster.kubectl(args, input);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** A webhook of this process, under the service account's own token. */
export interface TestReplica {
  readonly webhook: Webhook;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly port: number;
  stop(): Promise<void>;
}

let replicas = 0;

interface ReplicaOptions {
  readonly clock?: Clock;
  readonly called?: boolean;
  readonly everyMs?: number;
  readonly injection?: InjectionSettings;
}

/** Starts one; unless it is told not to, the API server calls it from now on. */
export async function startReplica(
  cluster: Cluster,
  { clock = systemClock, called = true, everyMs = 60_000, injection }: ReplicaOptions = {},
): Promise<TestReplica> {
  const { client } = await openCluster({
    kubeconfig: await cluster.kubeconfig({ serviceAccount: NAME, namespace: NAMESPACE }),
  });
  const [health, metrics] = [createHealth(), createMetrics()];
  replicas += 1;
  const webhook = createWebhook({
    client,
    listen: { host: "127.0.0.1", port: 0 },
    certificates: {
      namespace: NAMESPACE,
      service: NAME,
      configuration: NAME,
      secret: SECRET,
      replica: `test-${replicas}`,
      everyMs,
    },
    ...(injection !== undefined && { injection }),
    clock,
    logs: createLogs({ program: "test", level: "silent" }),
    metrics,
    health,
  });
  await webhook.start();
  const port = Number(new URL(webhook.url()).port);
  if (called) await call(cluster, port);
  let stopped: Promise<void> | undefined;
  return {
    webhook,
    health,
    metrics,
    port,
    stop() {
      stopped ??= webhook.stop(AbortSignal.timeout(5_000));
      return stopped;
    },
  };
}

/** Makes the API server call this port, and waits until it does. */
export async function call(cluster: Cluster, port: number): Promise<void> {
  for (const kind of ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"]) {
    const names = await kubectl(cluster, ["get", kind, "-o", "jsonpath={.items[*].webhooks[*].name}"]);
    const patch = names
      .split(" ")
      .filter(Boolean)
      .map((_, index) => ({ op: "replace", path: `/webhooks/${index}/clientConfig/service/port`, value: port }));
    if (patch.length > 0) await kubectl(cluster, ["patch", kind, NAME, "--type=json", "-p", JSON.stringify(patch)]);
  }
  const probe = {
    apiVersion: "heauth.io/v1alpha1",
    kind: "Tenant",
    metadata: { name: "probe" },
    spec: { audiences: ["x"] },
  };
  for (let tries = 0; ; tries++) {
    const { code, stderr } = await cluster.kubectl(["create", "--dry-run=server", "-f", "-"], JSON.stringify(probe));
    if (code === 0) return;
    if (tries === 50) throw new Error(`the API server does not reach the webhook: ${stderr}`);
    await pause(100);
  }
}
