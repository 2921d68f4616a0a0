import { choosePolicy, sidecarContainer } from "@heauth/core/resources";
import { type Around, injectionLevel } from "./answer-pod.ts";
import { type Pod, readPod } from "./pod.ts";
import { type Refusal, UNREADABLE } from "./refusal.ts";

/**
 * Why a pod that runs may not get these labels; undefined where it may. A policy would select a pod that nothing guards, and say so
 * in vain: sidecars come with a pod's creation only.
 */
export function labelRefusal(before: unknown, after: unknown, around: Around): Refusal | undefined {
  if (injectionLevel(around) === undefined) return undefined;
  const [old, pod] = [readPod(before), readPod(after)];
  if (old === undefined || pod === undefined) return UNREADABLE;
  if (sidecarContainer(pod.spec.initContainers) !== undefined) return undefined;
  const chosen = chosenFor(pod, around);
  if (chosen === undefined || chosenFor(old, around) !== undefined) return undefined;
  return {
    reason: "NotInjected",
    message: `AuthPolicy ${chosen.name} selects these labels, and the pod has no sidecar; make a new pod with them`,
  };
}

function chosenFor({ metadata }: Pod, { policies }: Around) {
  return choosePolicy(policies, metadata.labels ?? {}).chosen;
}
