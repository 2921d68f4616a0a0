import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";

/** A container of a pod, also one of those that are called initContainers and stay. */
export interface ContainerState {
  readonly name: string;
  /** Without the runtime's name. */
  readonly id: string;
  readonly restarts: number;
}

/** A pod as it is now. */
export interface PodState {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly containers: readonly ContainerState[];
}

/** Pods by their labels, but for those that are on their way out, in the order of their names. */
export async function podsOf(cluster: Cluster, namespace: string, selector: string): Promise<readonly PodState[]> {
  const query = [`--namespace=${namespace}`, "get", "pods", `--selector=${selector}`, "--output=json"];
  const { items } = JSON.parse(await must(cluster.kubectl(query)));
  return (items as Manifest[])
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata: { name, uid }, status }) => ({
      name,
      uid,
      ip: status.podIP ?? "",
      containers: [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].map((each) => ({
        name: each.name,
        id: each.containerID?.replace(/^.*:\/\//, "") ?? "",
        restarts: each.restartCount,
      })),
    }));
}

/** `kill -9` of all of a container's processes, on the node. Answers when they are gone, by `Date.now()`. */
export async function killContainer(cluster: Cluster, pod: PodState, name: string): Promise<number> {
  let pids = await processesOf(cluster, pod, name);
  if (pids.length === 0) throw new Error(`no process of ${name} in ${pod.name} runs`);
  // Some may just have ended by themselves, or with the first.
  for (; pids.length > 0; pids = await processesOf(cluster, pod, name))
    await cluster.onNode("kill", ["-KILL", ...pids]);
  return Date.now();
}

/** A container's processes, by the node's numbers. Rejects where it does not run. */
async function processesOf(cluster: Cluster, pod: PodState, name: string): Promise<readonly string[]> {
  const { id } = pod.containers.find((each) => each.name === name) ?? { id: "" };
  if (id === "") throw new Error(`${pod.name} has no container ${name} that runs`);
  const { stdout } = await cluster.onNode("sh", ["-c", 'grep -l "$0" /proc/[0-9]*/cgroup 2>/dev/null', id]);
  return [...stdout.matchAll(/^\/proc\/(\d+)\//gm)].map(([, pid = ""]) => pid);
}

interface Manifest {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly status: {
    readonly podIP?: string;
    readonly initContainerStatuses?: readonly Status[];
    readonly containerStatuses?: readonly Status[];
  };
}

interface Status {
  readonly name: string;
  readonly containerID?: string;
  readonly restartCount: number;
}
