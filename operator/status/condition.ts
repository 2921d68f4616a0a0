import type { ResourceKey } from "../source/source.ts";

export const CONDITION_TYPES = [
  "Ready",
  "LedgerSealed",
  "AlertsDelivering",
  "Accepted",
  "ResolvedRefs",
  "Enforced",
  "Conflicted",
  "Paused",
] as const;

/** As metav1.Condition, without what the sink adds: when it last changed, and of which generation it is said. */
export interface Condition {
  readonly type: (typeof CONDITION_TYPES)[number];
  readonly status: "True" | "False" | "Unknown";
  /** A stable word. */
  readonly reason: string;
  readonly message: string;
}

/** What is so, of one resource. */
export interface ResourceStatus {
  readonly conditions: readonly Condition[];
  /** The generation that all this is said of; undefined where resources have none. */
  readonly observedGeneration?: number;
  /** Of a Tenant: the id that its data carries. */
  readonly tenantId?: string;
  /** Of an AuthPolicy: the digest in force. */
  readonly policyDigest?: string;
  /** Of an AuthPolicy: the pods that it selects, those with a sidecar, and those whose sidecar goes by this digest. */
  readonly pods?: { readonly selected: number; readonly injected: number; readonly synced: number };
}

/** Where statuses go: the log and memory in standalone, the resource itself in Kubernetes. */
export interface StatusSink {
  report(key: ResourceKey, status: ResourceStatus): Promise<void>;
  /** The resource is gone. */
  forget(key: ResourceKey): Promise<void>;
}

export function condition(
  type: Condition["type"],
  status: Condition["status"],
  reason: string,
  message = "",
): Condition {
  return { type, status, reason, message };
}
