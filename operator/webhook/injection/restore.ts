import { restoreHandlers } from "./handlers.ts";
import { isLogClaim } from "./log-claim.ts";
import { INJECTED_ANNOTATION, isOurContainer, isOurVolume } from "./names.ts";
import type { Container, Pod } from "./pod.ts";
import { readRecord } from "./record.ts";
import { raisedGrace, withoutSleep } from "./stopping.ts";

/**
 * The pod as it was before it was injected; as it is, where it was not. A record that somebody made up can at most say what they might have
 * written into the pod itself: whatever comes of it is looked at, and injected, anew.
 */
export function restored(pod: Pod): Pod {
  const record = readRecord(pod);
  if (record === undefined) return pod;
  const { metadata, spec } = pod;
  const { [INJECTED_ANNOTATION]: _, ...annotations } = metadata.annotations ?? {};
  const { terminationGracePeriodSeconds: grace, ...others } = spec;
  const before = grace === raisedGrace(record.grace) ? (record.grace ?? undefined) : grace;
  const unrest = (container: Container) => restoreHandlers(container, record);
  return {
    ...pod,
    metadata: { ...metadata, annotations },
    spec: {
      ...others,
      ...(before !== undefined && { terminationGracePeriodSeconds: before }),
      initContainers: (spec.initContainers ?? []).filter((each) => !isOurContainer(each)).map(unrest),
      containers: spec.containers
        .map((each) => (record.sleeps.includes(each.name) ? withoutSleep(each) : each))
        .map(unrest),
      volumes: (spec.volumes ?? []).filter((each) => !isOurVolume(each) || isLogClaim(each)),
    },
  };
}
