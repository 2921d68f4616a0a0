import { rm } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../kube/folder.ts";
import { adminOf } from "./admin.ts";
import { buildArchive } from "./buildah.ts";
import type { Cluster } from "./cluster.ts";
import { nodeAssets } from "./node/assets.ts";
import { importImages } from "./node/containerd.ts";
import { removeNode, startNode } from "./node/start-node.ts";

/** Of a node's folder. */
export const PREFIX = "heauth-cluster-";

/** A node of our own on this machine. Needs root, setup/kube.sh and setup/cluster.sh. */
export async function startLocalCluster(): Promise<Cluster> {
  if (process.getuid?.() !== 0) throw new Error("a node of our own needs root; see E2E_CLUSTER=kind and current");
  const assets = nodeAssets();
  const { path: folder, remove } = await temporaryFolder(PREFIX, removeNode);
  const node = await startNode(folder).catch(async (error) => {
    await remove();
    throw error;
  });
  return {
    ...(await adminOf(folder, join(folder, "admin.kubeconfig"), assets.helm)),
    async buildImage(build) {
      const archive = join(folder, `${build.name}.tar`);
      const name = await buildArchive(assets, build, archive);
      await importImages(folder, archive);
      await rm(archive);
      return name;
    },
    onNode: node.run,
    async stop() {
      await node.stop();
      await remove();
    },
  };
}
