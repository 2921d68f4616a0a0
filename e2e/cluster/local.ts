import { rm } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../kube/folder.ts";
import { adminOf } from "./admin.ts";
import { buildArchive } from "./buildah.ts";
import type { Cluster } from "./cluster.ts";
import { nodeAssets } from "./node/assets.ts";
import { importImages } from "./node/containerd.ts";
import { removeNode, runOnNode, startNode } from "./node/start-node.ts";

/** Of a node's folder. */
export const PREFIX = "heauth-cluster-";

/** A node of our own on this machine. Needs root, setup/kube.sh and setup/cluster.sh. */
export async function startLocalCluster(): Promise<Cluster> {
  if (process.getuid?.() !== 0) throw new Error("a node of our own needs root; see E2E_CLUSTER=kind and current");
  const { path: folder, remove } = await temporaryFolder(PREFIX, removeNode);
  const node = await startNode(folder).catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    ...(await attachLocalCluster(folder)),
    async stop() {
      await node.stop();
      await remove();
    },
  };
}

/** The node that another program of this machine has started. */
export async function attachLocalCluster(folder: string): Promise<Cluster> {
  const assets = nodeAssets();
  return {
    ...(await adminOf(folder, join(folder, "admin.kubeconfig"), assets.helm)),
    async buildImage(build) {
      const archive = join(folder, `${build.name}-${process.pid}.tar`);
      const name = await buildArchive(assets, build, archive);
      await importImages(folder, archive);
      await rm(archive);
      return name;
    },
    onNode: (command, args, input) => runOnNode(folder, command, args, input),
    stop: async () => {},
  };
}
