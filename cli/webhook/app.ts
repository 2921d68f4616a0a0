import { hostname } from "node:os";
import { createWebhook, type WebhookOptions } from "@heauth/operator/webhook";
import { type Part, type ProgramContext, systemClock } from "@heauth/program";
import { openCluster } from "@heauth/program/kubernetes";
import { CliError } from "../errors.ts";
import type { WebhookConfig } from "./config.ts";
import { readInjectionSettings } from "./injection-settings.ts";

/** The webhook, with what it needs of the cluster. */
export async function composeWebhook(context: ProgramContext<WebhookConfig>): Promise<Part[]> {
  const { config, logs, metrics, health } = context;
  const { kubeconfig, listen, injection: file } = config;
  const { client, namespace: current } = await openCluster(kubeconfig === undefined ? {} : { kubeconfig });
  const namespace = config.namespace ?? current;
  const certificates = certificatesOf(config, namespace);
  const injection = file === undefined ? undefined : await readInjectionSettings(file, known(namespace));
  const options = { client, listen, certificates, clock: systemClock, logs, metrics, health };
  return [createWebhook({ ...options, ...(injection !== undefined && { injection }) })];
}

function certificatesOf(config: WebhookConfig, namespace: string | undefined): WebhookOptions["certificates"] {
  const { tlsCert, tlsKey, service, configuration, certificates: secret } = config;
  if (tlsCert !== undefined && tlsKey !== undefined) return { tlsCert, tlsKey };
  const replica = `${hostname().slice(0, 63)}-${process.pid}`;
  return { namespace: known(namespace), service, configuration, secret, replica };
}

function known(namespace: string | undefined): string {
  if (namespace !== undefined) return namespace;
  throw new CliError("NotReady", "neither the kubeconfig nor --namespace says which namespace heauth has");
}
