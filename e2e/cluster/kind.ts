import { join } from "node:path";
import { runCommand } from "../kube/command.ts";
import { removeFolder, temporaryFolder } from "../kube/folder.ts";
import { adminOf } from "./admin.ts";
import type { Cluster } from "./cluster.ts";
import { buildWithDocker } from "./docker.ts";
import { must } from "./must.ts";

const NAME = "heauth-e2e";
const CONFIG = join(import.meta.dirname, "../kind.yaml");

/** A cluster in Docker, by kind. What a killed run has left is deleted first. */
export async function startKindCluster(): Promise<Cluster> {
  const { path: folder, remove } = await temporaryFolder("heauth-kind-", removeFolder);
  const kubeconfig = kubeconfigOf(folder);
  async function stop(): Promise<void> {
    await kind("delete", "cluster", "--name", NAME, "--kubeconfig", kubeconfig);
    await remove();
  }
  try {
    await kind("delete", "cluster", "--name", NAME, "--kubeconfig", kubeconfig);
    await kind("create", "cluster", "--name", NAME, "--kubeconfig", kubeconfig, "--config", CONFIG, "--wait", "3m");
    return { ...(await attachKindCluster(folder)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The one that another program has started. */
export async function attachKindCluster(folder: string): Promise<Cluster> {
  return {
    ...(await adminOf(folder, kubeconfigOf(folder), "helm")),
    async buildImage(build) {
      const tag = `localhost/heauth-e2e/${build.name}:${Date.now()}`;
      await buildWithDocker(tag, build);
      await kind("load", "docker-image", "--name", NAME, tag);
      return tag;
    },
    onNode: (command, args, input = "") =>
      runCommand("docker", ["exec", "--interactive", `${NAME}-control-plane`, command, ...args], {
        input,
        environment: process.env,
      }),
    stop: async () => {},
  };
}

const kubeconfigOf = (folder: string) => join(folder, "admin.kubeconfig");

async function kind(...args: string[]): Promise<void> {
  await must(runCommand("kind", args, { environment: process.env }));
}
