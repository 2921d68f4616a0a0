import type { KubeObject } from "@heauth/program/kubernetes";
import type { ObservedMeta } from "../source.ts";

/** A Tenant or an AuthPolicy as the API server has it. */
export interface ResourceObject extends KubeObject {
  readonly spec?: unknown;
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Of a Tenant or an AuthPolicy, what is kept. */
export interface KeptResource {
  /** What is validated: the resource as somebody would write it, without what the API server and the operator put there. */
  readonly document: object;
  readonly meta: ObservedMeta;
  readonly status: Readonly<Record<string, unknown>>;
  readonly resourceVersion: string;
}

/** kubectl's copy of the whole document: nobody goes by it. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Reads what is kept; list items may come without apiVersion and kind. */
export function keptResource(kind: "Tenant" | "AuthPolicy") {
  return ({ metadata, spec, status = {} }: ResourceObject): KeptResource => {
    const {
      name,
      namespace,
      labels,
      uid,
      generation,
      creationTimestamp,
      deletionTimestamp,
      finalizers = [],
    } = metadata;
    const { tenantId } = status;
    const { [LAST_APPLIED]: _, ...annotations } = metadata.annotations ?? {};
    const written = { name, ...(namespace !== undefined && { namespace }), ...(labels && { labels }), annotations };
    return {
      document: { apiVersion: "heauth.io/v1alpha1", kind, metadata: written, ...(spec !== undefined && { spec }) },
      meta: {
        ...(uid !== undefined && { uid }),
        ...(generation !== undefined && { generation }),
        ...(creationTimestamp !== undefined && { createdAtMs: Date.parse(creationTimestamp) }),
        deleting: deletionTimestamp !== undefined,
        annotations,
        finalizers,
        ...(typeof tenantId === "string" && { tenantId }),
      },
      status,
      resourceVersion: metadata.resourceVersion ?? "",
    };
  };
}
