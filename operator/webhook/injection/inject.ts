import { isDeepStrictEqual } from "node:util";
import { containerRefusal } from "./container-refusals.ts";
import { envoyContainer, redirectContainer, sidecarContainer } from "./containers.ts";
import { rewriteAll } from "./handlers.ts";
import { INJECTED_ANNOTATION } from "./names.ts";
import { containersOf, type Pod } from "./pod.ts";
import { podChecks } from "./pod-refusals.ts";
import { writeRecord } from "./record.ts";
import type { Refusal } from "./refusal.ts";
import { restored } from "./restore.ts";
import type { InjectionSettings } from "./settings.ts";
import { needsSleep, raisedGrace, withSleep } from "./stopping.ts";
import { volumesFor } from "./volumes.ts";

export type Injected = { readonly pod: Pod; readonly isChanged: boolean } | { readonly refusal: Refusal };

/**
 * Puts the sidecar and Envoy into a pod, as everything of a pod that comes in must pass them. A pod that has them already gets them as they
 * are to be by now: injecting twice is injecting once. Changes nothing that it is given, and asks nobody.
 */
export function inject(given: Pod, settings: InjectionSettings): Injected {
  const pod = restored(given);
  const refusal = refusalOf(pod, settings);
  if (refusal !== undefined) return { refusal };
  const injected = injectedPod(pod, settings);
  return { pod: injected, isChanged: !isDeepStrictEqual(injected, given) };
}

function refusalOf(pod: Pod, settings: InjectionSettings): Refusal | undefined {
  for (const check of podChecks) {
    const refusal = check(pod, settings);
    if (refusal !== undefined) return refusal;
  }
  for (const container of [...containersOf(pod), ...(pod.spec.ephemeralContainers ?? [])]) {
    const refusal = containerRefusal(container, pod, settings);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function injectedPod(pod: Pod, settings: InjectionSettings): Pod {
  const { metadata, spec } = pod;
  const { initContainers, containers, originals, performed } = rewriteAll(pod, settings.ports.health);
  const sleeps = spec.containers.filter(needsSleep).map(({ name }) => name);
  const grace = spec.terminationGracePeriodSeconds ?? null;
  const record = writeRecord({ v: 1, handlers: originals, sleeps, grace });
  return {
    ...pod,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [INJECTED_ANNOTATION]: record } },
    spec: {
      ...spec,
      terminationGracePeriodSeconds: raisedGrace(grace),
      initContainers: [
        redirectContainer(settings),
        sidecarContainer(pod, performed, settings),
        envoyContainer(settings),
        ...initContainers,
      ],
      containers: containers.map((each) => (sleeps.includes(each.name) ? withSleep(each) : each)),
      volumes: [...(spec.volumes ?? []), ...volumesFor(pod, settings)],
    },
  };
}
