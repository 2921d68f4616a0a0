import {
  AUTH_POLICIES,
  apiVersionOf,
  type ClusterClient,
  isClusterError,
  type KubeObject,
  TENANTS,
} from "@heauth/program/kubernetes";
import type { Kind, ResourceKey } from "../source/source.ts";

export const RESOURCE_TYPES = { Tenant: TENANTS, AuthPolicy: AUTH_POLICIES } as const satisfies Record<Kind, unknown>;

export interface AppliedStatus {
  /** One for each that writes: with a shared one each apply would take the other's fields away. */
  readonly fieldManager: string;
  readonly status: object;
  /** Makes it a compare-and-set: another resource of the same name does not get this one's status. */
  readonly resourceVersion?: string | undefined;
}

/**
 * Writes what one field manager says in a resource's status, by server-side apply.
 * @returns the version that this made; undefined: the resource is gone meanwhile
 * @throws ClusterError, `Conflict` where `resourceVersion` is not the newest
 */
export async function applyStatus(
  client: ClusterClient,
  { kind, namespace, name }: ResourceKey,
  { fieldManager, status, resourceVersion }: AppliedStatus,
): Promise<string | undefined> {
  const type = RESOURCE_TYPES[kind];
  const place = namespace === "" ? { name } : { namespace, name };
  const object: KubeObject & { readonly status: object } = {
    apiVersion: apiVersionOf(type),
    kind,
    metadata: { ...place, ...(resourceVersion !== undefined && { resourceVersion }) },
    status,
  };
  try {
    const { metadata } = await client.apply<KubeObject>(type, object, { fieldManager, subresource: "status" });
    return metadata.resourceVersion ?? "";
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}
