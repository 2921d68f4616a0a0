import { homedir } from "node:os";
import { join } from "node:path";
import { removeFolder, temporaryFolder } from "../kube/folder.ts";
import { adminOf } from "./admin.ts";
import type { Cluster } from "./cluster.ts";
import { buildWithDocker, docker } from "./docker.ts";

/**
 * The cluster that KUBECONFIG, else ~/.kube/config, leads to; it stays as the tests leave it. Its nodes get images from the
 * registry that E2E_REGISTRY names, e.g. `registry.example.org/heauth`, to which Docker must be logged in.
 */
export async function useCurrentCluster(): Promise<Cluster> {
  const { path: folder, remove } = await temporaryFolder("heauth-current-", removeFolder);
  return { ...(await attachCurrentCluster(folder)), stop: remove };
}

/** The same, with a folder that another program has made. */
export async function attachCurrentCluster(
  folder: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Cluster> {
  const registry = environment["E2E_REGISTRY"];
  if (!registry) throw new Error("E2E_CLUSTER=current needs E2E_REGISTRY: where the cluster's nodes get images from");
  const kubeconfig = environment["KUBECONFIG"] || join(homedir(), ".kube/config");
  return {
    ...(await adminOf(folder, kubeconfig, "helm")),
    async buildImage(build) {
      const tag = `${registry}/${build.name}:e2e-${Date.now()}`;
      await buildWithDocker(tag, build);
      await docker("push", tag);
      return tag;
    },
    onNode: async () => {
      throw new Error("with E2E_CLUSTER=current nothing can be run on a node");
    },
    stop: async () => {},
  };
}
