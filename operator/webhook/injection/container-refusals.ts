import { calledPorts } from "./handlers.ts";
import { isOurContainer, isOurVolume } from "./names.ts";
import type { Container, Pod } from "./pod.ts";
import type { Refusal } from "./refusal.ts";
import type { InjectionSettings } from "./settings.ts";

type ContainerCheck = (container: Container, pod: Pod, settings: InjectionSettings) => Refusal | undefined;

/** Each lets a container change the network's rules, reach into other processes or their files, or give itself what does. */
const POWERS = new Set([
  "ALL",
  "NET_ADMIN",
  "SYS_ADMIN",
  "SYS_PTRACE",
  "SYS_MODULE",
  "SYS_RAWIO",
  "BPF",
  // Opens files of the node's by their handles, another container's volumes among them.
  "DAC_READ_SEARCH",
]);

const PROXIES = new Set([
  "istio-proxy",
  "istio-init",
  "istio-validation",
  "linkerd-proxy",
  "linkerd-init",
  "kuma-sidecar",
  "kuma-init",
  "consul-dataplane",
]);

const otherMesh: ContainerCheck = ({ name }) =>
  PROXIES.has(name)
    ? { reason: "OtherMesh", message: `container ${name} is another mesh's proxy: two can't both have the connections` }
    : undefined;

const privileged: ContainerCheck = ({ name, securityContext }) => {
  const power = (securityContext?.capabilities?.add ?? []).find((each) =>
    POWERS.has(each.toUpperCase().replace(/^CAP_/, "")),
  );
  const has = securityContext?.privileged ? "is privileged" : power === undefined ? undefined : `adds ${power}`;
  return has === undefined
    ? undefined
    : {
        reason: "PrivilegedContainer",
        message: `container ${name} ${has}: it could take the redirection to Envoy away; take that from it`,
      };
};

const user: ContainerCheck = ({ name, securityContext }, { spec }, { ids }) => {
  const uid = securityContext?.runAsUser ?? spec.securityContext?.runAsUser;
  return uid !== undefined && (uid === ids.sidecar || uid === ids.envoy)
    ? {
        reason: "SidecarUser",
        message: `container ${name} runs as user ${uid}, which is heauth's own; take another runAsUser`,
      }
    : undefined;
};

const containerName: ContainerCheck = (container) =>
  isOurContainer(container)
    ? { reason: "NameInUse", message: `container ${container.name}: the name is heauth's own; take another one` }
    : undefined;

/** A mount of a volume that isn't there yet, but will be. */
const mounts: ContainerCheck = ({ name, volumeMounts = [], volumeDevices = [] }) => {
  const mount = [...volumeMounts, ...volumeDevices].find(isOurVolume);
  return mount === undefined
    ? undefined
    : {
        reason: "NameInUse",
        message: `container ${name} mounts ${mount.name}, which is for heauth's own containers; leave it out`,
      };
};

const ports: ContainerCheck = (container, _pod, settings) => {
  const own = Object.values(settings.ports);
  const declared = (container.ports ?? []).map(({ containerPort }) => containerPort);
  const port = [...declared, ...calledPorts(container)].find((each) => own.includes(each));
  return port === undefined
    ? undefined
    : {
        reason: "PortInUse",
        message: `container ${container.name}: port ${port} is heauth's own in an injected pod; take another one`,
      };
};

/** In the order in which it is told. */
const checks: readonly ContainerCheck[] = [otherMesh, privileged, user, containerName, mounts, ports];

/** Why a container can't be beside ours; undefined where it can. */
export function containerRefusal(container: Container, pod: Pod, settings: InjectionSettings): Refusal | undefined {
  for (const check of checks) {
    const refusal = check(container, pod, settings);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
