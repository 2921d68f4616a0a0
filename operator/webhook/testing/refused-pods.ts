import type { podFor } from "./injecting-cluster.ts";

const token = { serviceAccountToken: { audience: "heauth-hub", path: "t" } };
const adds = (power: string) => ({ container: { securityContext: { capabilities: { add: [power] } } } });

/** Pods that can't be injected: the reason, how its explanation begins, and what is different of the pod. */
export const refusedPods: readonly (readonly [
  reason: string,
  why: string,
  pod: NonNullable<Parameters<typeof podFor>[1]>,
])[] = [
  ["HostNetwork", "spec.hostNetwork", { spec: { hostNetwork: true } }],
  ["Windows", "spec.os", { spec: { os: { name: "windows" } } }],
  ["SharedProcesses", "spec.shareProcessNamespace", { spec: { shareProcessNamespace: true } }],
  ["SharedProcesses", "spec.hostPID", { spec: { hostPID: true } }],
  ["PrivilegedContainer", "container app is privileged", { container: { securityContext: { privileged: true } } }],
  ["PrivilegedContainer", "container app adds NET_ADMIN", adds("NET_ADMIN")],
  ["SidecarUser", "container app runs as user 43289", { spec: { securityContext: { runAsUser: 43_289 } } }],
  ["HubAudience", "volume t", { spec: { volumes: [{ name: "t", projected: { sources: [token] } }] } }],
  ["OtherMesh", "container istio-proxy", { container: { name: "istio-proxy" } }],
  ["OtherMesh", "Linkerd", { metadata: { annotations: { "linkerd.io/proxy-version": "1" } } }],
  ["PortInUse", "container app: port 15020", { container: { ports: [{ containerPort: 15_020 }] } }],
  ["NameInUse", "container heauth:", { container: { name: "heauth" } }],
  ["NameInUse", "volume heauth-wal", { spec: { volumes: [{ name: "heauth-wal", emptyDir: {} }] } }],
  [
    "NameInUse",
    "container app mounts heauth-token",
    { container: { volumeMounts: [{ name: "heauth-token", mountPath: "/t" }] } },
  ],
];
