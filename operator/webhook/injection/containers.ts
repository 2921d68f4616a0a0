import type { Performed } from "./handlers.ts";
import { logClaim } from "./log-claim.ts";
import { CONTAINERS, FOLDERS, VOLUMES } from "./names.ts";
import { type Container, containersOf, type Pod } from "./pod.ts";
import type { InjectionSettings } from "./settings.ts";
import { drainWithin, stopWithin } from "./stopping.ts";
import { FILES, walSize } from "./volumes.ts";

const STORAGE = "ephemeral-storage";
const HEAUTH = "/usr/local/bin/heauth";
const ENVOY = "/usr/local/bin/envoy";
/** Envoy's own: bootstrap and listeners, which the sidecar writes, and the admin socket. */
const ENVOY_FOLDER = `${FOLDERS.run}/envoy`;

/** What Kubernetes would fill in, so that an injected pod that comes again is found unchanged. */
const written = { terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "FallbackToLogsOnError" };

const confined = {
  privileged: false,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  seccompProfile: { type: "RuntimeDefault" },
};

/** Redirects the pod's inbound connections, and ends. The only container of ours that may touch the network's rules. */
export function redirectContainer({ images, ports, resources }: InjectionSettings): Container {
  return {
    name: CONTAINERS.redirect,
    image: images.heauth,
    imagePullPolicy: images.pullPolicy,
    command: [HEAUTH],
    args: ["redirect", `--envoy-port=${ports.envoy}`, `--health-port=${ports.health}`],
    // Older iptables lock a file; /dev can be written to where the root can't.
    env: [{ name: "XTABLES_LOCKFILE", value: "/dev/xtables.lock" }],
    resources: { ...resources.redirect },
    securityContext: {
      ...confined,
      capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
      runAsNonRoot: false,
      runAsUser: 0,
      runAsGroup: 0,
    },
    ...written,
  };
}

/** The sidecar. `performed`: what it does in the kubelet's place. */
export function sidecarContainer(pod: Pod, performed: Performed, settings: InjectionSettings): Container {
  const { images, hub, ids, ports, resources, walQuota } = settings;
  const { requests, limits } = resources.heauth;
  // A claim is no part of the node's own storage.
  const size = logClaim(pod) === undefined ? { [STORAGE]: walSize(settings) } : {};
  const isLimited = containersOf(pod).some((each) => each.resources?.limits?.[STORAGE] !== undefined);
  const { [STORAGE]: _, ...otherLimits } = limits;
  const within = drainWithin(pod.spec.terminationGracePeriodSeconds ?? null);
  return {
    name: CONTAINERS.sidecar,
    image: images.heauth,
    imagePullPolicy: images.pullPolicy,
    restartPolicy: "Always",
    command: [HEAUTH],
    args: [
      "sidecar",
      `--hub=${hub}`,
      `--hub-ca=${FOLDERS.trust}/${FILES.hubCa}`,
      `--hub-token=${FOLDERS.token}/${FILES.token}`,
      `--identity-keys=${FOLDERS.trust}/${FILES.identityKeys}`,
      `--socket=${FOLDERS.run}/ext-authz.sock`,
      `--wal=${FOLDERS.wal}`,
      `--wal-quota=${walQuota}`,
      `--pod-envoy=${ENVOY_FOLDER}`,
      `--pod-envoy-port=${ports.envoy}`,
      `--health-port=${ports.health}`,
      `--stop-within=${stopWithin}`,
    ],
    env: [{ name: "HEAUTH_KUBELET_CHECKS", value: literal(JSON.stringify(performed)) }],
    // As soon as one container has a limit, the kubelet holds the whole pod to the sum of all that there are: ours makes room for the log then.
    // Where there is none, ours would be the app's.
    resources: { requests: { ...requests, ...size }, limits: { ...otherLimits, ...(isLimited && size) } },
    startupProbe: probe(ports.health, "/startupz", { periodSeconds: 1, failureThreshold: 120 }),
    livenessProbe: probe(ports.health, "/healthz", { periodSeconds: 10, failureThreshold: 3 }),
    readinessProbe: probe(ports.health, "/readyz", { periodSeconds: 2, failureThreshold: 3 }),
    // Every preStop begins when the pod's deletion does; this one ends when nothing is under way any more.
    lifecycle: {
      preStop: { exec: { command: [HEAUTH, "drain", `--pod-envoy=${ENVOY_FOLDER}`, `--within=${within}`] } },
    },
    securityContext: userContext(ids.sidecar, ids.group),
    volumeMounts: [
      { name: VOLUMES.run, mountPath: FOLDERS.run },
      { name: VOLUMES.wal, mountPath: FOLDERS.wal },
      { name: VOLUMES.token, mountPath: FOLDERS.token, readOnly: true },
      { name: VOLUMES.trust, mountPath: FOLDERS.trust, readOnly: true },
    ],
    ...written,
  };
}

export function envoyContainer({ images, ids, ports, resources }: InjectionSettings): Container {
  return {
    name: CONTAINERS.envoy,
    image: images.envoy,
    imagePullPolicy: images.pullPolicy,
    restartPolicy: "Always",
    command: [ENVOY],
    args: [
      "-c",
      `${ENVOY_FOLDER}/bootstrap.json`,
      "--concurrency",
      "1",
      "--disable-hot-restart",
      "--log-level",
      "warning",
    ],
    resources: { ...resources.envoy },
    // Its admin interface is on a unix socket, so the sidecar asks there.
    startupProbe: probe(ports.health, "/readyz/envoy", { periodSeconds: 1, failureThreshold: 120 }),
    securityContext: userContext(ids.envoy, ids.group),
    volumeMounts: [{ name: VOLUMES.run, mountPath: FOLDERS.run }],
    ...written,
  };
}

function userContext(runAsUser: number, runAsGroup: number) {
  return { ...confined, capabilities: { drop: ["ALL"] }, runAsNonRoot: true, runAsUser, runAsGroup };
}

function probe(port: number, path: string, times: { periodSeconds: number; failureThreshold: number }) {
  return { httpGet: { path, port, scheme: "HTTP" }, timeoutSeconds: 3, successThreshold: 1, ...times };
}

/** Kubernetes puts variables where `$(NAME)` stands in a value, unless the dollar is doubled. */
function literal(text: string): string {
  return text.replaceAll("$", "$$$$");
}
