import { VOLUMES } from "./names.ts";
import type { Pod, Volume } from "./pod.ts";
import type { Refusal } from "./refusal.ts";
import type { InjectionSettings } from "./settings.ts";

/** As a StatefulSet calls the claims of its template `heauth-wal`, with the pod's name after it. */
const CLAIM = `${VOLUMES.wal}-`;

/** The volume of a claim that a pod brings for its sidecar's log; undefined where it brings none. */
export function logClaim({ spec }: Pod): Volume | undefined {
  return spec.volumes?.find(isLogClaim);
}

export function isLogClaim({ name, persistentVolumeClaim }: Volume): boolean {
  return name === VOLUMES.wal && persistentVolumeClaim !== undefined;
}

/**
 * Why a claim that a pod brings can't hold its log; undefined where it can, or there is none. The log is its pod's alone, and the next one's
 * of the same name.
 */
export function logClaimRefusal(pod: Pod, { walClaims }: InjectionSettings): Refusal | undefined {
  const volume = logClaim(pod);
  if (volume === undefined) return undefined;
  if (!walClaims) {
    const message = `volume ${VOLUMES.wal}: claims for the log are not allowed (injection.walClaims); leave it out`;
    return { reason: "LogClaim", message };
  }
  const { name } = pod.metadata;
  const { claimName, readOnly } = volume.persistentVolumeClaim ?? {};
  if (name === undefined || claimName !== `${CLAIM}${name}`) {
    const expected = `the claim ${CLAIM}POD of a pod that keeps its name, as a StatefulSet's volumeClaimTemplate ${VOLUMES.wal} gives it`;
    return { reason: "LogClaim", message: `volume ${VOLUMES.wal}: only ${expected}, can hold the log` };
  }
  if (readOnly)
    return { reason: "LogClaim", message: `volume ${VOLUMES.wal}: the log is written to; leave readOnly out` };
  if (pod.spec.securityContext?.fsGroup === undefined) {
    const message = `volume ${VOLUMES.wal}: the sidecar can't write to a claim without spec.securityContext.fsGroup; set one`;
    return { reason: "LogClaim", message };
  }
  return undefined;
}

/** Why a pod, injected or not, may not have a claim that is some pod's log: under another name its containers could mount it. */
export function foreignLogRefusal({ metadata, spec }: Pod): Refusal | undefined {
  const { generateName = "", name = generateName } = metadata;
  const volume = (spec.volumes ?? []).find((each) => !isLogClaim(each) && claimOf(each, name)?.startsWith(CLAIM));
  if (volume === undefined) return undefined;
  const message = `volume ${volume.name}: claims whose names begin with ${CLAIM} hold the logs of sidecars; take another one`;
  return { reason: "LogClaim", message };
}

/** The claim's name, or how it begins. Kubernetes makes claims for `ephemeral` volumes, and calls them by pod and volume. */
function claimOf({ name, persistentVolumeClaim, ephemeral }: Volume, pod: string): string | undefined {
  return ephemeral === undefined ? persistentVolumeClaim?.claimName : `${pod}-${name}`;
}
