import { SIDECAR_CONTAINER, sidecarContainer } from "@heauth/core/resources";
import type { KubeObject } from "@heauth/program/kubernetes";
import type { ObservedPod } from "../source.ts";

/** core/v1 Pod, as far as it is looked at. */
export interface PodObject extends KubeObject {
  readonly spec?: { readonly initContainers?: readonly { readonly name?: string; readonly restartPolicy?: string }[] };
  readonly status?: {
    readonly phase?: string;
    readonly initContainerStatuses?: readonly {
      readonly name?: string;
      readonly state?: { readonly running?: object };
    }[];
  };
}

/** No container of it is started again. */
function isOver({ status }: PodObject): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** Nothing of our sidecar's runs in it, nor will any more. */
export function hasEnded(pod: PodObject): boolean {
  const sidecar = pod.status?.initContainerStatuses?.find(({ name }) => name === SIDECAR_CONTAINER);
  return isOver(pod) && sidecar?.state?.running === undefined;
}

/** Undefined: the pod has ended, and is nobody's any more. */
export function keptPod(pod: PodObject): ObservedPod | undefined {
  if (isOver(pod)) return undefined;
  const { metadata, spec } = pod;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    labels: metadata.labels ?? {},
    createdAtMs: Date.parse(metadata.creationTimestamp ?? ""),
    injected: sidecarContainer(spec?.initContainers) !== undefined,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}
