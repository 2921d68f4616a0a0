import type { ResourceKey } from "../source/source.ts";
import { type AuthPolicyControllerOptions, reconcileAuthPolicy } from "./auth-policy/reconcile-auth-policy.ts";
import type { Reconciled } from "./outcome.ts";
import { PolicyIndex } from "./policy-index.ts";
import { type TenantControllerOptions, TenantReconciler } from "./tenant/reconcile-tenant.ts";

export type ControllersOptions = Omit<TenantControllerOptions & AuthPolicyControllerOptions, "policies">;

/** The reconcilers of both kinds. Made anew for each term of office, with that term's database. */
export interface Controllers {
  reconcile(key: ResourceKey): Promise<Reconciled>;
}

export function createControllers(options: ControllersOptions): Controllers {
  const policies = new PolicyIndex();
  const tenants = new TenantReconciler({ ...options, policies });
  return {
    reconcile: ({ kind, namespace, name }) =>
      kind === "Tenant" ? tenants.reconcile(name) : reconcileAuthPolicy({ ...options, policies }, namespace, name),
  };
}
