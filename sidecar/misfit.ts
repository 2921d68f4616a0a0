import { type CompiledPolicy, features, PASSTHROUGH_PORTS } from "@heauth/core/policy";

/** Why a sidecar can't enforce a policy where it is. */
export interface Misfit {
  readonly message: string;
  /** Of the policy's required features. */
  readonly missingFeatures: readonly string[];
}

/** What a sidecar can do whose Envoy has its listeners from somebody else. */
export const featuresOutsidePods: readonly string[] = features.filter((feature) => feature !== PASSTHROUGH_PORTS);

/** Why a policy can't be enforced where Envoy's listeners are not ours to write. */
export function misfitOutsidePods({ requiredFeatures }: CompiledPolicy): Misfit | undefined {
  const missingFeatures = requiredFeatures.filter((feature) => !featuresOutsidePods.includes(feature));
  if (missingFeatures.length === 0) return undefined;
  const message = `the policy needs ${missingFeatures.join(", ")}, which only a sidecar can do that writes Envoy's listeners`;
  return { message, missingFeatures };
}

/**
 * Why a policy can't be enforced in a pod where some ports are heauth's own: Envoy would connect to itself.
 *
 * @param own such as Envoy's and the health port
 */
export function misfitInPod(
  { ports, passthroughPorts = [] }: CompiledPolicy,
  own: readonly number[],
): Misfit | undefined {
  const port = [...ports, ...passthroughPorts].find((each) => own.includes(each));
  if (port === undefined) return undefined;
  return { message: `port ${port} is heauth's own in this pod; take another one`, missingFeatures: [] };
}
