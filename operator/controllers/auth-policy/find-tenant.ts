import type { AuthPolicy, Tenant as TenantResource } from "@heauth/core/resources";
import { type Database, type Tenant, tenantByName } from "@heauth/store";
import type { ResourceSource } from "../../source/source.ts";
import { type Condition, condition } from "../../status/condition.ts";

/** The tenant that a policy refers to, or why it can't be had. */
export type FoundTenant =
  | { readonly kind: "Found"; readonly tenant: Tenant; readonly resource: TenantResource }
  /** What was compiled last stays in force. */
  | { readonly kind: "Wait"; readonly why: Condition; readonly retryInMs?: number }
  /** The policy is out of force. */
  | { readonly kind: "Gone"; readonly why: Condition };

/** The tenant may only just be coming into being. */
const TENANT_RETRY_MS = 1_000;

/** Only tenants that have a resource can be meant. */
export async function findTenant(
  database: Database,
  source: Pick<ResourceSource, "get">,
  policy: AuthPolicy,
): Promise<FoundTenant> {
  const { name } = policy.spec.tenantRef;
  const unresolved = (reason: string, message: string) => condition("ResolvedRefs", "False", reason, message);
  const observed = source.get("Tenant", "", name);
  if (observed === undefined) return { kind: "Gone", why: unresolved("TenantNotFound", `there is no Tenant ${name}`) };
  if (observed.meta.deleting) {
    return { kind: "Gone", why: unresolved("TenantNotFound", `Tenant ${name} is being deleted`) };
  }
  const { inForce: resource } = observed;
  const tenant = await database.read((tx) => tenantByName(tx, name));
  if (tenant?.managedBy === "API") {
    return { kind: "Gone", why: unresolved("TenantNotPermitted", `tenant ${name} is managed by the API`) };
  }
  if (resource === undefined) {
    return { kind: "Wait", why: unresolved("TenantInvalid", `Tenant ${name} was never valid`) };
  }
  if (tenant === undefined) {
    const why = unresolved("TenantNotReady", `Tenant ${name} is not there yet`);
    return { kind: "Wait", why, retryInMs: TENANT_RETRY_MS };
  }
  return { kind: "Found", tenant, resource };
}
