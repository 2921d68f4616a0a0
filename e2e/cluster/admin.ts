import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type KubeObject, openCluster, type ResourceType } from "@heauth/program/kubernetes";
import { kubeAssets } from "../kube/assets.ts";
import { runCommand } from "../kube/command.ts";
import { runKubectl } from "../kube/kubectl.ts";
import type { Cluster } from "./cluster.ts";

const NODES: ResourceType = { group: "", version: "v1", plural: "nodes", kind: "Node", namespaced: false };

interface Node extends KubeObject {
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** What a kubeconfig is enough for. helm's caches go into the folder. */
export async function adminOf(
  folder: string,
  kubeconfig: string,
  helm: string,
): Promise<Pick<Cluster, "folder" | "kubeconfig" | "client" | "kubectl" | "helm" | "nodeAddresses">> {
  const { client } = await openCluster({ kubeconfig });
  const kubectl = kubeAssets()?.kubectl ?? "kubectl";
  const home = join(folder, "home");
  mkdirSync(home, { recursive: true });
  return {
    folder,
    kubeconfig,
    client,
    kubectl: (args, input = "") => runKubectl(kubectl, kubeconfig, args, { home, input }),
    helm: (args, input = "") =>
      runCommand(helm, args, { input, environment: { PATH: process.env["PATH"], HOME: home, KUBECONFIG: kubeconfig } }),
    async nodeAddresses() {
      const { items } = await client.list<Node>(NODES, {});
      const [first] = items;
      if (first === undefined) throw new Error("the cluster has no node");
      return first.status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address);
    },
  };
}
