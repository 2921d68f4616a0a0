import { CONTAINERS } from "./names.ts";
import type { Pod } from "./pod.ts";

/** Whether a pod has the sidecar: the one way in which everybody knows an injected pod. */
export function isInjected({ spec }: Pod): boolean {
  return (spec.initContainers ?? []).some(
    ({ name, restartPolicy }) => name === CONTAINERS.sidecar && restartPolicy === "Always",
  );
}
