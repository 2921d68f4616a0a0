import { type ClusterClient, PODS } from "@heauth/program/kubernetes";
import type { PodLives } from "../../jobs/lost-journals/pod-lives.ts";
import { hasEnded, type PodObject } from "./kept-pod.ts";
import type { KubernetesSource } from "./kubernetes-source.ts";

const DEADLINE_MS = 5_000;

/** Pods as the API server has them: as they were last seen, and as they are. */
export function clusterPodLives(client: ClusterClient, source: Pick<KubernetesSource, "pod" | "problem">): PodLives {
  return {
    seems: ({ namespace, name, uid }) => source.problem() !== undefined || source.pod({ namespace, name })?.uid === uid,
    async isGone({ namespace, name, uid }) {
      // Without a resource version the answer is the newest. It needs no other right than the operator has for all pods.
      const fieldSelector = `metadata.name=${name}`;
      const { items } = await client.list<PodObject>(PODS, { namespace, fieldSelector }, { deadlineMs: DEADLINE_MS });
      const pod = items.find(({ metadata }) => metadata.uid === uid);
      return pod === undefined || hasEnded(pod);
    },
  };
}
