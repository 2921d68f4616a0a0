import { sidecarContainer } from "@heauth/core/resources";
import { type Around, injectionLevel } from "./answer-pod.ts";
import { containerRefusal } from "./container-refusals.ts";
import { isOurContainer } from "./names.ts";
import { type Container, type Pod, readPod } from "./pod.ts";
import { type Refusal, UNREADABLE } from "./refusal.ts";

/**
 * Why an injected pod that runs may not get these images; undefined where it may. An image is all that can still be changed of a running
 * container, and another one in Envoy's place would let everything through.
 */
export function imageRefusal(before: unknown, after: unknown, around: Around): Refusal | undefined {
  return refusalOf(before, after, around, (old, pod) => {
    const images = new Map(ours(old).map(({ name, image }) => [name, image]));
    const changed = ours(pod).find(({ name, image }) => images.get(name) !== image);
    return changed === undefined
      ? undefined
      : {
          reason: "SidecarChanged",
          message: `container ${changed.name}: its image is heauth's own; make a new pod to have it injected anew`,
        };
  });
}

/** Why a pod that runs may not get these debugging containers; undefined where it may. They are held to what is asked of all others. */
export function ephemeralRefusal(before: unknown, after: unknown, around: Around): Refusal | undefined {
  return refusalOf(before, after, around, (old, pod) => {
    const known = new Set((old.spec.ephemeralContainers ?? []).map(({ name }) => name));
    const added = (pod.spec.ephemeralContainers ?? []).filter(({ name }) => !known.has(name));
    for (const container of added) {
      const refusal = debugRefusal(container, pod, around);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  });
}

function debugRefusal(container: Container, pod: Pod, { settings }: Around): Refusal | undefined {
  const { name, targetContainerName: target = "" } = container;
  if (isOurContainer({ name: target })) {
    const message = `container ${name}: its target ${target} is heauth's own; leave targetContainerName out, or take another one`;
    return { reason: "SharedProcesses", message };
  }
  return containerRefusal(container, pod, settings);
}

function refusalOf(
  before: unknown,
  after: unknown,
  around: Around,
  judge: (old: Pod, pod: Pod) => Refusal | undefined,
): Refusal | undefined {
  if (injectionLevel(around) === undefined) return undefined;
  const [old, pod] = [readPod(before), readPod(after)];
  if (old === undefined || pod === undefined) return UNREADABLE;
  return sidecarContainer(old.spec.initContainers) === undefined ? undefined : judge(old, pod);
}

function ours({ spec }: Pod): Container[] {
  return (spec.initContainers ?? []).filter(isOurContainer);
}
