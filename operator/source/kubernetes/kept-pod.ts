import type { KubeObject } from "@heauth/program/kubernetes";
import type { ObservedPod } from "../source.ts";

/** core/v1 Pod, as far as it is looked at. */
export interface PodObject extends KubeObject {
  readonly spec?: { readonly initContainers?: readonly { readonly name?: string; readonly restartPolicy?: string }[] };
  readonly status?: { readonly phase?: string };
}

/** The name of our sidecar's container in every pod that has one. */
const SIDECAR = "heauth";

/** Undefined: the pod has ended, and is nobody's any more. */
export function keptPod({ metadata, spec, status }: PodObject): ObservedPod | undefined {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    labels: metadata.labels ?? {},
    createdAtMs: Date.parse(metadata.creationTimestamp ?? ""),
    injected: (spec?.initContainers ?? []).some(
      ({ name, restartPolicy }) => name === SIDECAR && restartPolicy === "Always",
    ),
    deleting: metadata.deletionTimestamp !== undefined,
  };
}
