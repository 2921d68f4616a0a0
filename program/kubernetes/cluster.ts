import { type ClusterClient, createClient } from "./client.ts";
import { createExchange } from "./exchange.ts";
import { inCluster } from "./in-cluster.ts";
import { fromKubeconfig } from "./kubeconfig.ts";

/** An API server and who we are there. */
export interface Cluster {
  readonly server: string;
  /** Of the service account or the context. */
  readonly namespace: string | undefined;
  readonly client: ClusterClient;
}

export interface ClusterOptions {
  /** A file; without it the pod's service account. */
  readonly kubeconfig?: string | undefined;
}

/**
 * The cluster that a program works with; no request is made. Rejects with ClusterError: `NoCluster` when neither a file is given
 * nor the program runs in a pod, `KubeconfigInvalid` when the file is of no use.
 */
export async function openCluster({ kubeconfig }: ClusterOptions): Promise<Cluster> {
  const access = kubeconfig === undefined ? await inCluster(process.env) : await fromKubeconfig(kubeconfig);
  return { server: access.server, namespace: access.namespace, client: createClient(createExchange(access)) };
}
