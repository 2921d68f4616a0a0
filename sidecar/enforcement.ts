import { preparePolicy } from "@heauth/core/policy";
import type { Health, Logger } from "@heauth/program";
import type { Policy, PolicyRemoved } from "@heauth/protocol";
import type { PolicyInForce, RecordSink } from "./authorize.ts";
import type { PolicyVerdict } from "./hub/index.ts";

/** The one policy that this sidecar enforces, as the hub last gave it. */
export interface Enforcement {
  current(): PolicyInForce | undefined;
  /** Puts the policy in force, or says why not; then the last good one stays, or everything is denied. */
  take(policy: Policy): PolicyVerdict;
  /** Nothing is in force any more: the app is not open, it is shut. */
  remove(name: PolicyRemoved): void;
}

export interface EnforcementParts {
  readonly journal: RecordSink;
  readonly health: Health;
  readonly log: Logger;
  /** Told of the tenant whose requests are recorded, with each policy that comes into force. */
  readonly onTenant: (tenant: string) => void;
}

export function createEnforcement({ journal, health, log, onTenant }: EnforcementParts): Enforcement {
  let inForce: PolicyInForce | undefined;
  // The journal is one tenant's for the process's life, so these stay when the policy is removed.
  let bound: { readonly namespace: string; readonly name: string; readonly tenant: string } | undefined;
  health.addReady("policy", () => (inForce === undefined ? "no policy is in force" : undefined));

  function refuse(message: string, missingFeatures: readonly string[] = []): PolicyVerdict {
    log.error({ reason: message, missingFeatures }, "the policy can't be put in force");
    return { enforced: false, missingFeatures, message };
  }

  return {
    current: () => inForce,
    take({ namespace, name, digest, compiled, tenant, tagKeys }) {
      const result = preparePolicy(compiled, digest);
      if (!result.ok) return refuse(result.message, result.missingFeatures);
      const { policy } = result.prepared;
      if (policy.tenant.id !== tenant) return refuse("the policy is another tenant's than the hub says");
      if (bound !== undefined && (bound.namespace !== namespace || bound.name !== name)) {
        return refuse(`this sidecar enforces ${bound.namespace}/${bound.name}`);
      }
      if (bound !== undefined && bound.tenant !== tenant) {
        return refuse("this sidecar records for another tenant: start it again to enforce the policy");
      }
      bound = { namespace, name, tenant };
      inForce = { policy: result.prepared, tagKeys, journal };
      onTenant(tenant);
      log.info({ policy: `${namespace}/${name}`, digest }, "policy in force");
      return { enforced: true, missingFeatures: [], message: "" };
    },
    remove({ namespace, name }) {
      const policy = inForce?.policy.policy;
      if (policy?.namespace !== namespace || policy.name !== name) return;
      inForce = undefined;
      log.warn({ policy: `${namespace}/${name}` }, "the policy was removed: every request is denied");
    },
  };
}
