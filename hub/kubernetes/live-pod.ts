import { sidecarContainer } from "@heauth/core/resources";
import { type ClusterClient, ClusterError, type KubeObject, PODS } from "@heauth/program/kubernetes";
import { CallError } from "@heauth/protocol";
import { unauthenticated } from "./bearer.ts";
import type { ProvenPod } from "./token-review.ts";

interface Pod extends KubeObject {
  readonly spec?: {
    readonly serviceAccountName?: string;
    readonly initContainers?: readonly {
      readonly name: string;
      readonly image?: string;
      readonly restartPolicy?: string;
    }[];
  };
  readonly status?: { readonly phase?: string };
}

/** What a pod is by now. */
export interface LivePod {
  readonly labels: Readonly<Record<string, string>>;
  /** Of our container. */
  readonly image: string | undefined;
}

/**
 * Looks at the pod. One that is being deleted lives until it is gone: its last records are still to come.
 * @throws CallError UNAUTHENTICATED (it lives no more), PERMISSION_DENIED (it is not one of ours)
 * @throws ClusterError when there is no answer
 */
export async function livePod(client: ClusterClient, proven: ProvenPod): Promise<LivePod> {
  const { namespace, name, uid, serviceAccount } = proven;
  const pod = await client.get<Pod>(PODS, { namespace, name }, { deadlineMs: 3_000 }).catch((error: unknown) => {
    if (error instanceof ClusterError && error.code === "NotFound") throw unauthenticated("the pod is gone");
    throw error;
  });
  const { metadata, spec, status } = pod;
  if (metadata.uid !== uid) throw unauthenticated("the pod is gone; another one has its name");
  // A native sidecar starts while its pod is Pending, and runs on until the pod has ended.
  if (status?.phase !== "Pending" && status?.phase !== "Running") throw unauthenticated("the pod has ended");
  if (spec?.serviceAccountName !== serviceAccount) throw denied("the pod runs under another service account");
  const sidecar = sidecarContainer(spec.initContainers);
  if (sidecar === undefined) throw denied("the pod has no heauth sidecar");
  return { labels: metadata.labels ?? {}, image: sidecar.image };
}

function denied(message: string): CallError {
  return new CallError("PERMISSION_DENIED", message);
}
