/** Why a pod is not let in, stable: people search for it. */
export type RefusalReason =
  /** What came is no pod. */
  | "PodUnreadable"
  /** No policy selects it, in a namespace where each pod must have one. */
  | "NotSelected"
  /** It has no sidecar, and its new labels are selected. */
  | "NotInjected"
  /** It runs, and one of heauth's containers in it is to have another image. */
  | "SidecarChanged"
  | "HostNetwork"
  | "Windows"
  | "SharedProcesses"
  | "PrivilegedContainer"
  | "SidecarUser"
  | "HubAudience"
  | "OtherMesh"
  | "PortInUse"
  /** A claim can't hold the log, or is another pod's log. */
  | "LogClaim"
  | "NameInUse";

export interface Refusal {
  readonly reason: RefusalReason;
  /** For whoever made the pod: what is wrong, and what to do. */
  readonly message: string;
}

export const UNREADABLE: Refusal = { reason: "PodUnreadable", message: "this is no pod that heauth can read" };
