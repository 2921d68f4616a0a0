import type { AuthPolicy, Tenant as TenantResource } from "@heauth/core/resources";
import { type Database, type StoredTenant, tenantHolding } from "@heauth/store";
import type { ResourceSource } from "../../source/source.ts";
import { type Condition, condition } from "../../status/condition.ts";
import { claimOn } from "../tenant/claim.ts";

/** The tenant that a policy refers to, or why it can't be had. */
export type FoundTenant =
  | { readonly kind: "Found"; readonly tenant: StoredTenant; readonly resource: TenantResource }
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
  const claim = claimOn(await database.read((tx) => tenantHolding(tx, name)), observed.meta);
  if (claim.kind === "Refused" && claim.reason === "ManagedByAPI") {
    return { kind: "Gone", why: unresolved("TenantNotPermitted", `tenant ${name} is managed by the API`) };
  }
  if (resource === undefined) {
    return { kind: "Wait", why: unresolved("TenantInvalid", `Tenant ${name} was never valid`) };
  }
  // What an earlier Tenant of the name has left is not this one's.
  if (claim.kind === "Refused")
    return { kind: "Gone", why: unresolved("TenantNotReady", `Tenant ${name} is not ready`) };
  if (claim.kind !== "Own" || claim.stored.deleted) {
    const why = unresolved("TenantNotReady", `Tenant ${name} is not there yet`);
    return { kind: "Wait", why, retryInMs: TENANT_RETRY_MS };
  }
  const tenant = claim.stored;
  return { kind: "Found", tenant, resource };
}
