import { parseCheckpoint } from "@heauth/core/ledger";
import type { KubeObject } from "@heauth/program/kubernetes";
import { apiVersionOf, type ClusterClient, isClusterError, TENANTS } from "@heauth/program/kubernetes";
import type { AnchoredTenant } from "./store.ts";

/** A Tenant as far as its anchor goes. */
export interface TenantObject extends KubeObject {
  readonly status?: TenantStatus;
}

/** What of a Tenant's status tells whose it is, and its anchor. */
export interface TenantStatus {
  readonly tenantId?: string;
  readonly ledger?: { readonly note?: string };
}

const FIELD_MANAGER = "heauth-seal";

/** Whether a resource is this tenant's. Undefined: it does not say yet, and may be another one of the same name. */
export function isResourceOf({ id }: AnchoredTenant, { tenantId }: TenantStatus): boolean | undefined {
  return tenantId === undefined ? undefined : tenantId === id;
}

/** The Tenant as it is at this moment; undefined when there is none. */
export async function getTenant(
  client: ClusterClient,
  name: string,
  deadlineMs: number,
): Promise<TenantObject | undefined> {
  try {
    return await client.get<TenantObject>(TENANTS, { name }, { deadlineMs });
  } catch (error) {
    if (isClusterError(error, "NotFound")) return undefined;
    throw error;
  }
}

/**
 * Writes the anchor into a Tenant's status. The API server refuses one that goes back.
 * @param resourceVersion of the resource that is meant: where it has changed since, and may be another one of the same name, that is
 *   a `Conflict`. A uid would not do: the API server does not look at it where a status is written.
 * @throws ClusterError
 */
export async function putTenantAnchor(
  client: ClusterClient,
  { name, resourceVersion }: { readonly name: string; readonly resourceVersion: string | undefined },
  note: string,
  nowMs: number,
): Promise<void> {
  const { epoch, size } = parseCheckpoint(note);
  const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const tenant: KubeObject & { readonly status: object } = {
    apiVersion: apiVersionOf(TENANTS),
    kind: TENANTS.kind,
    metadata: { name, ...(resourceVersion !== undefined && { resourceVersion }) },
    status: { ledger: { epoch, size, time, note } },
  };
  await client.apply(TENANTS, tenant, { fieldManager: FIELD_MANAGER, subresource: "status" });
}
