import { openCluster } from "@heauth/program/kubernetes";
import { CliError } from "../../errors.ts";
import { createKeysInCluster } from "./create-in-cluster.ts";
import { DRAFT, type KeyHolder, type KeyNames, keyHolders } from "./key-objects.ts";

/** What `heauth keys create --kubernetes` is told. */
export interface ClusterKeysOptions extends Omit<KeyNames, "namespace"> {
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly json?: boolean | undefined;
}

const SAID = {
  created: "made the programs' keys",
  completed: "completed the programs' keys, which an earlier run had begun",
  there: "the programs' keys are there already, and were left as they are",
} as const;

/** Makes the keys as Secrets and a ConfigMap, and tells which; nothing secret is printed. */
export async function runCreateInCluster(options: ClusterKeysOptions): Promise<void> {
  const { kubeconfig, json, ...given } = options;
  const cluster = await openCluster({ kubeconfig });
  const namespace = given.namespace ?? cluster.namespace;
  if (namespace === undefined) {
    throw new CliError("InvalidOption", "neither the kubeconfig nor --namespace says which namespace heauth has");
  }
  const names = { ...given, namespace };
  const holders = keyHolders(names);
  refuseSharedNames(holders);
  const { did, pinned } = await createKeysInCluster(cluster.client, names);
  if (json) {
    const objects = holders.map(({ type, name, files }) => ({ kind: type.kind, name, files }));
    console.log(JSON.stringify({ namespace, did, objects, keys: [...pinned.keys()] }));
  } else {
    console.log(
      [`${SAID[did]}, in namespace ${namespace}:`, ...table(holders), "", ...backUp(namespace, holders)].join("\n"),
    );
  }
}

function refuseSharedNames(holders: readonly KeyHolder[]): void {
  const names = [DRAFT, ...holders].map(({ type, name }) => `${type.kind} ${name}`);
  const shared = names.find((name, at) => names.indexOf(name) !== at);
  if (shared !== undefined) throw new CliError("InvalidOption", `the ${shared} can't be for two things`);
}

function table(holders: readonly KeyHolder[]): string[] {
  const rows = holders.map(({ type, name, files }) => [`${type.kind} ${name}`, files.join(", ")] as const);
  const width = Math.max(...rows.map(([object]) => object.length));
  return rows.map(([object, files]) => `  ${object.padEnd(width)}  ${files}`);
}

function backUp(namespace: string, holders: readonly KeyHolder[]): string[] {
  const objects = holders.map(({ type, name }) => `${type.kind.toLowerCase()}/${name}`);
  return [
    "Keep a copy outside the cluster, as safe as the keys themselves: nobody can make them again.",
    `  kubectl get -n ${namespace} ${objects.join(" ")} -o yaml > heauth-keys.yaml`,
  ];
}
