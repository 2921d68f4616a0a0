import { keyText, type ResourceKey } from "../source/source.ts";

/** Which AuthPolicies refer to which Tenant, as they were last reconciled. */
export class PolicyIndex {
  readonly #tenantOf = new Map<string, string>();
  readonly #policiesOf = new Map<string, Map<string, ResourceKey>>();

  /** @param tenant the name that the policy refers to; undefined: to none any more */
  set(policy: ResourceKey, tenant: string | undefined): void {
    const text = keyText(policy);
    const before = this.#tenantOf.get(text);
    if (before === tenant) return;
    if (before !== undefined) {
      const policies = this.#policiesOf.get(before);
      policies?.delete(text);
      if (policies?.size === 0) this.#policiesOf.delete(before);
    }
    if (tenant === undefined) {
      this.#tenantOf.delete(text);
      return;
    }
    this.#tenantOf.set(text, tenant);
    const policies = this.#policiesOf.get(tenant) ?? new Map<string, ResourceKey>();
    this.#policiesOf.set(tenant, policies.set(text, policy));
  }

  of(tenant: string): readonly ResourceKey[] {
    return [...(this.#policiesOf.get(tenant)?.values() ?? [])];
  }
}
