import type { AuthPolicy } from "./auth-policy.ts";
import type { Tenant } from "./tenant.ts";

/** A field or value of the schema that heauth does not act on, or not there. It is refused, never accepted and ignored. */
export interface NotBuilt<T> {
  readonly field: string;
  /** The values found that don't work, each with its path; none: fine. */
  readonly found: (resource: T) => readonly Found[];
  /** What works instead. */
  readonly works: string;
}

export interface Found {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

const when = (unbuilt: boolean, path: readonly (string | number)[], value: unknown): Found[] =>
  unbuilt ? [{ path, value }] : [];

/** What the Tenant schema knows and this version does not do yet. */
export const tenantNotBuilt: readonly NotBuilt<Tenant>[] = [
  {
    field: "spec.registration",
    found: ({ spec }) => when(spec.registration === "Open", ["spec", "registration"], spec.registration),
    works: "Closed",
  },
  {
    field: "spec.identityProviders",
    found: ({ spec }) =>
      when((spec.identityProviders ?? []).length > 0, ["spec", "identityProviders"], spec.identityProviders),
    works: "no identity providers",
  },
  {
    field: "spec.alerts.receivers[].smtp",
    found: ({ spec }) =>
      spec.alerts.receivers.flatMap((receiver, index) =>
        when(receiver.smtp !== undefined, ["spec", "alerts", "receivers", index, "smtp"], receiver.smtp),
      ),
    works: "webhook",
  },
  {
    field: "spec.adminSecretRef",
    found: ({ spec }) => when(spec.adminSecretRef !== undefined, ["spec", "adminSecretRef"], spec.adminSecretRef),
    works: "absent: `heauth superuser create` makes the first administrator",
  },
];

/** What the AuthPolicy schema knows and this version does not do yet. */
export const authPolicyNotBuilt: readonly NotBuilt<AuthPolicy>[] = [
  {
    field: "spec.rules[].upgrades",
    found: ({ spec }) =>
      spec.rules.flatMap((rule, index) =>
        when(rule.upgrades.length > 0, ["spec", "rules", index, "upgrades"], rule.upgrades),
      ),
    works: "an empty list: upgrades are denied",
  },
];

/** What only pods can have. Outside of Kubernetes there is one listener, for the app: a port that is let through would not be there. */
export const authPolicyOnlyInPods: readonly NotBuilt<AuthPolicy>[] = [
  {
    field: "spec.passthroughPorts",
    found: ({ spec }) => when(spec.passthroughPorts.length > 0, ["spec", "passthroughPorts"], spec.passthroughPorts),
    works: "an empty list: heauth standalone opens no port but the app's",
  },
];
