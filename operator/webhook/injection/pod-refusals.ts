import { isLogClaim, logClaimRefusal } from "./log-claim.ts";
import { HUB_AUDIENCE, isOurVolume } from "./names.ts";
import type { Pod } from "./pod.ts";
import type { Refusal } from "./refusal.ts";
import type { InjectionSettings } from "./settings.ts";

type PodCheck = (pod: Pod, settings: InjectionSettings) => Refusal | undefined;

/** Annotations that other meshes leave. */
const MESHES = [
  ["sidecar.istio.io/status", "Istio"],
  ["linkerd.io/proxy-version", "Linkerd"],
  ["kuma.io/sidecar-injected", "Kuma"],
  ["consul.hashicorp.com/connect-inject-status", "Consul"],
] as const;

const hostNetwork: PodCheck = ({ spec }) =>
  spec.hostNetwork
    ? {
        reason: "HostNetwork",
        message: "spec.hostNetwork: connections to the node's own network can't be redirected to Envoy; leave it out",
      }
    : undefined;

const windows: PodCheck = ({ spec }) =>
  (spec.os?.name ?? spec.nodeSelector?.["kubernetes.io/os"]) === "windows"
    ? { reason: "Windows", message: "spec.os: heauth's sidecar runs on Linux only" }
    : undefined;

const sharedProcesses: PodCheck = ({ spec }) => {
  const field = spec.shareProcessNamespace ? "shareProcessNamespace" : spec.hostPID ? "hostPID" : undefined;
  return field === undefined
    ? undefined
    : {
        reason: "SharedProcesses",
        message: `spec.${field}: containers that see the sidecar's process could reach its files, and end it; leave it out`,
      };
};

const hubAudience: PodCheck = ({ spec }) => {
  const volume = (spec.volumes ?? []).find(({ projected }) =>
    projected?.sources?.some(({ serviceAccountToken }) => serviceAccountToken?.audience === HUB_AUDIENCE),
  );
  return volume === undefined
    ? undefined
    : {
        reason: "HubAudience",
        message: `volume ${volume.name}: a token for ${HUB_AUDIENCE} is for the sidecar only; leave it out`,
      };
};

const otherMesh: PodCheck = ({ metadata }) => {
  const found = MESHES.find(([annotation]) => metadata.annotations?.[annotation] !== undefined);
  return found === undefined
    ? undefined
    : {
        reason: "OtherMesh",
        message: `${found[1]} has put its proxy into the pod: two can't both have the connections`,
      };
};

const volumeNames: PodCheck = ({ spec }) => {
  const volume = (spec.volumes ?? []).find((each) => isOurVolume(each) && !isLogClaim(each));
  return volume === undefined
    ? undefined
    : { reason: "NameInUse", message: `volume ${volume.name}: the name is heauth's own; take another one` };
};

/** What is looked at in the pod as a whole, in the order in which it is told. */
export const podChecks: readonly PodCheck[] = [
  hostNetwork,
  windows,
  sharedProcesses,
  otherMesh,
  hubAudience,
  volumeNames,
  logClaimRefusal,
];
