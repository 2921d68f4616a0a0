import { hostname } from "node:os";
import { createWebhook, type WebhookOptions } from "@heauth/operator/webhook";
import { type Part, type ProgramContext, systemClock } from "@heauth/program";
import { type Cluster, openCluster } from "@heauth/program/kubernetes";
import { CliError } from "../errors.ts";
import type { WebhookConfig } from "./config.ts";

/** The webhook, with what it needs of the cluster. */
export async function composeWebhook(context: ProgramContext<WebhookConfig>): Promise<Part[]> {
  const { config, logs, metrics, health } = context;
  const { kubeconfig, listen } = config;
  const cluster = await openCluster(kubeconfig === undefined ? {} : { kubeconfig });
  const certificates = certificatesOf(config, cluster);
  return [createWebhook({ client: cluster.client, listen, certificates, clock: systemClock, logs, metrics, health })];
}

function certificatesOf(config: WebhookConfig, cluster: Cluster): WebhookOptions["certificates"] {
  const { tlsCert, tlsKey, service, configuration, certificates: secret, namespace = cluster.namespace } = config;
  if (tlsCert !== undefined && tlsKey !== undefined) return { tlsCert, tlsKey };
  if (namespace === undefined) {
    throw new CliError("NotReady", "neither the kubeconfig nor --namespace says which namespace heauth has");
  }
  return { namespace, service, configuration, secret, replica: `${hostname().slice(0, 63)}-${process.pid}` };
}
