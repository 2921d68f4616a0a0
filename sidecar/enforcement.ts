import { type CompiledPolicy, preparePolicy } from "@heauth/core/policy";
import type { Health, Logger } from "@heauth/program";
import type { Policy } from "@heauth/protocol";
import type { PolicyInForce, RecordSink } from "./authorize.ts";
import type { PolicyName, PolicyVerdict } from "./hub/index.ts";
import type { TellListening } from "./listeners/index.ts";
import type { Misfit } from "./misfit.ts";

/** The one policy that this sidecar enforces, as the hub last gave it: a newer one takes its place, also under another name. */
export interface Enforcement {
  current(): PolicyInForce | undefined;
  /**
   * Puts the policy in force, or says why not; then the last good one stays, or everything is denied. It is said as soon as it is known
   * whether Envoy goes by the policy, too; again whenever that changes; and not at all where another policy comes before.
   */
  take(policy: Policy, answer: (verdict: PolicyVerdict) => void): void;
  /** Nothing is in force any more: the app is not open, it is shut. */
  remove(name: PolicyName): void;
  /** These are all that there are for this pod: another one that is in force was removed meanwhile. */
  keepOnly(names: readonly PolicyName[]): void;
}

/** A policy, and the digest by which everybody calls it. */
export interface NamedPolicy {
  readonly compiled: CompiledPolicy;
  readonly digest: string;
}

export interface EnforcementParts {
  readonly journal: RecordSink;
  readonly health: Health;
  readonly log: Logger;
  /** Why this pod can't do what a policy asks; undefined where it can. */
  readonly misfit: (policy: CompiledPolicy) => Misfit | undefined;
  /** Told of each policy that comes into force. Tells when Envoy goes by it, or why it doesn't. */
  readonly onPolicy: (policy: NamedPolicy, tell: TellListening) => void;
  /** Told when there is none: also of a process that never had one. */
  readonly onNoPolicy: () => void;
}

export function createEnforcement({
  journal,
  health,
  log,
  misfit,
  onPolicy,
  onNoPolicy,
}: EnforcementParts): Enforcement {
  let inForce: PolicyInForce | undefined;
  // The journal is one tenant's for the process's life, so it stays when the policy is removed.
  let boundTo: string | undefined;
  health.addReady("policy", () => (inForce === undefined ? "no policy is in force" : undefined));

  function refusal(message: string, missingFeatures: readonly string[] = []): PolicyVerdict {
    log.error({ reason: message, missingFeatures }, "the policy can't be put in force");
    if (inForce === undefined) onNoPolicy();
    return { enforced: false, missingFeatures, message };
  }

  const enforcement: Enforcement = {
    current: () => inForce,
    take({ namespace, name, digest, compiled, tenant, tagKeys }, answer) {
      const refuse = (...why: Parameters<typeof refusal>) => answer(refusal(...why));
      const result = preparePolicy(compiled, digest);
      if (!result.ok) return refuse(result.message, result.missingFeatures);
      const { policy } = result.prepared;
      if (policy.tenant.id !== tenant) return refuse("the policy is another tenant's than the hub says");
      if (boundTo !== undefined && boundTo !== tenant) {
        // What was in force is not this pod's any more.
        inForce = undefined;
        return refuse("this sidecar records for another tenant: start it again to enforce the policy");
      }
      const unfit = misfit(policy);
      if (unfit !== undefined) return refuse(unfit.message, unfit.missingFeatures);
      boundTo = tenant;
      inForce = { policy: result.prepared, tagKeys, journal };
      log.info({ policy: `${namespace}/${name}`, digest }, "policy in force");
      onPolicy({ compiled: policy, digest }, (message = "") =>
        answer({ enforced: message === "", missingFeatures: [], message }),
      );
    },
    remove({ namespace, name }) {
      const policy = inForce?.policy.policy;
      if (policy?.namespace !== namespace || policy.name !== name) return;
      inForce = undefined;
      onNoPolicy();
      log.warn({ policy: `${namespace}/${name}` }, "the policy was removed: every request is denied");
    },
    keepOnly(names) {
      if (names.length === 0) log.warn("no policy is for this pod yet: every request is denied");
      const policy = inForce?.policy.policy;
      if (policy === undefined) {
        if (names.length === 0) onNoPolicy();
        return;
      }
      const isKept = names.some(({ namespace, name }) => policy.namespace === namespace && policy.name === name);
      if (!isKept) enforcement.remove(policy);
    },
  };
  return enforcement;
}
