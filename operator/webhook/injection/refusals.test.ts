import { expect, test } from "@jest/globals";
import { inject } from "./inject.ts";
import { app, injected, podOf, read, settings } from "./testing/pods.ts";

const token = (audience: string) => ({
  name: "mine",
  projected: { sources: [{ configMap: { name: "x" } }, { serviceAccountToken: { audience, path: "t" } }] },
});
const adds = (power: string) => ({ securityContext: { capabilities: { add: ["CHOWN", power] } } });

test.each([
  ["HostNetwork", "spec.hostNetwork", podOf({ hostNetwork: true })],
  ["Windows", "Linux only", podOf({ os: { name: "windows" } })],
  ["Windows", "Linux only", podOf({ nodeSelector: { "kubernetes.io/os": "windows" } })],
  ["SharedProcesses", "spec.shareProcessNamespace", podOf({ shareProcessNamespace: true })],
  ["SharedProcesses", "spec.hostPID", podOf({ hostPID: true })],
  ["PrivilegedContainer", "app is privileged", podOf({}, { securityContext: { privileged: true } })],
  ["PrivilegedContainer", "app adds NET_ADMIN", podOf({}, adds("NET_ADMIN"))],
  ["PrivilegedContainer", "app adds CAP_NET_ADMIN", podOf({}, adds("CAP_NET_ADMIN"))],
  ["PrivilegedContainer", "app adds DAC_READ_SEARCH", podOf({}, adds("DAC_READ_SEARCH"))],
  ["PrivilegedContainer", "app adds net_admin", podOf({}, adds("net_admin"))],
  ["PrivilegedContainer", "app adds ALL", podOf({}, adds("ALL"))],
  ["PrivilegedContainer", "setup adds SYS_ADMIN", podOf({ initContainers: [{ name: "setup", ...adds("SYS_ADMIN") }] })],
  ["SidecarUser", "user 43288", podOf({}, { securityContext: { runAsUser: 43_288 } })],
  ["SidecarUser", "user 43289", podOf({ securityContext: { runAsUser: 43_289 } })],
  ["HubAudience", "volume mine", podOf({ volumes: [token("heauth-hub")] })],
  ["OtherMesh", "istio-proxy", podOf({ containers: [app, { name: "istio-proxy" }] })],
  ["OtherMesh", "linkerd-init", podOf({ initContainers: [{ name: "linkerd-init" }] })],
  ["OtherMesh", "Istio", podOf({}, {}, { "sidecar.istio.io/status": "{}" })],
  ["PortInUse", "port 15006", podOf({}, { ports: [{ containerPort: 15_006 }] })],
  ["PortInUse", "port 15020", podOf({}, { ports: [{ containerPort: 15_020 }] })],
  ["PortInUse", "port 15020", podOf({}, { livenessProbe: { httpGet: { path: "/probe/app/liveness", port: 15_020 } } })],
  ["NameInUse", "container heauth:", podOf({ containers: [app, { name: "heauth" }] })],
  ["NameInUse", "container heauth-redirect:", podOf({ initContainers: [{ name: "heauth-redirect" }] })],
  ["NameInUse", "volume heauth-wal", podOf({ volumes: [{ name: "heauth-wal", emptyDir: {} }] })],
  ["NameInUse", "mounts heauth-token", podOf({}, { volumeMounts: [{ name: "heauth-token", mountPath: "/t" }] })],
  ["NameInUse", "mounts heauth-wal", podOf({}, { volumeDevices: [{ name: "heauth-wal", devicePath: "/d" }] })],
  [
    "NameInUse",
    "mounts heauth-run",
    podOf({ initContainers: [{ name: "i", volumeMounts: [{ name: "heauth-run" }] }] }),
  ],
])("%s: %s", (reason, said, pod) => {
  expect(inject(read(pod), settings)).toEqual({ refusal: { reason, message: expect.stringContaining(said) } });
});

test.each([
  ["its own token for somebody else", podOf({ volumes: [token("vault")] })],
  [
    "a container that overrides the pod's user",
    podOf({ securityContext: { runAsUser: 43_288 } }, { securityContext: { runAsUser: 1 } }),
  ],
  ["harmless powers", podOf({}, adds("NET_BIND_SERVICE"))],
  ["Linux by name", podOf({ os: { name: "linux" } })],
])("a pod with %s is injected", (_, pod) => {
  expect(inject(read(pod), settings)).toMatchObject({ isChanged: true });
});

test("an injected pod is looked at again, with what others added since", () => {
  const pod = injected(podOf());
  const more = {
    ...pod,
    spec: { ...pod.spec, containers: [...pod.spec.containers, { name: "b", ...adds("NET_ADMIN") }] },
  };
  expect(inject(read(more), settings)).toMatchObject({ refusal: { reason: "PrivilegedContainer" } });
  const mounting = { name: "b", volumeMounts: [{ name: "heauth-token", mountPath: "/t" }] };
  const thief = { ...pod, spec: { ...pod.spec, containers: [...pod.spec.containers, mounting] } };
  expect(inject(read(thief), settings)).toMatchObject({ refusal: { reason: "NameInUse" } });
});

const forged = (record: unknown) => ({
  "heauth.io/injected": typeof record === "string" ? record : JSON.stringify(record),
});
const handlers = { "app/liveness": { httpGet: { path: "/x", port: 1 } } };

test.each([
  ["no JSON", "{"],
  ["another version", { v: 2, handlers: {}, sleeps: [], grace: null }],
  ["some of it", { v: 1 }],
  ["all of it", { v: 1, handlers, sleeps: ["app"], grace: 7 }],
])("a record that somebody made up (%s) spares no pod its injection", (_, record) => {
  const { "heauth.io/injected": written, ...others } =
    injected(podOf({}, {}, forged(record))).metadata.annotations ?? {};
  expect(others).toEqual({});
  expect(JSON.parse(written ?? "")).toEqual({ v: 1, handlers: {}, sleeps: ["app"], grace: null });
  expect(injected(podOf({}, {}, forged(record))).spec).toEqual(injected(podOf()).spec);
});

test("containers with our names, and a record that somebody made up, are replaced by ours", () => {
  const record = forged({ v: 1, handlers: {}, sleeps: [], grace: null });
  const fake = podOf({ initContainers: [{ name: "heauth", image: "mine", restartPolicy: "Always" }] }, {}, record);
  expect(injected(fake).spec).toEqual(injected(podOf()).spec);
});
