import { expect, test } from "@jest/globals";
import { inject } from "./inject.ts";
import { app, containerOf, injected, podOf, read, settings } from "./testing/pods.ts";

test("our containers start first, in their order, then the pod's own", () => {
  const own = [
    { name: "migrate", image: "app" },
    { name: "cache", image: "cache", restartPolicy: "Always" },
  ];
  const { initContainers = [], containers } = injected(podOf({ initContainers: own })).spec;
  expect(initContainers.map(({ name, restartPolicy }) => [name, restartPolicy])).toEqual([
    ["heauth-redirect", undefined],
    ["heauth", "Always"],
    ["heauth-envoy", "Always"],
    ["migrate", undefined],
    ["cache", "Always"],
  ]);
  expect(containers.map(({ name }) => name)).toEqual(["app"]);
});

test("what comes next waits until the sidecar, and then Envoy, have started", () => {
  const pod = injected(podOf());
  const paths = ["heauth", "heauth-envoy"].map((name) => containerOf(pod, name).startupProbe?.httpGet);
  expect(paths).toEqual([
    { path: "/startupz", port: 15_020, scheme: "HTTP" },
    { path: "/readyz/envoy", port: 15_020, scheme: "HTTP" },
  ]);
});

test("each of our containers sets its whole security context", () => {
  const pod = injected(podOf({ securityContext: { runAsUser: 0, runAsNonRoot: true } }));
  const confined = {
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    seccompProfile: { type: "RuntimeDefault" },
  };
  const user = { ...confined, capabilities: { drop: ["ALL"] }, runAsNonRoot: true, runAsGroup: 43_288 };
  expect(containerOf(pod, "heauth").securityContext).toEqual({ ...user, runAsUser: 43_288 });
  expect(containerOf(pod, "heauth-envoy").securityContext).toEqual({ ...user, runAsUser: 43_289 });
  expect(containerOf(pod, "heauth-redirect").securityContext).toEqual({
    ...confined,
    capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
    runAsNonRoot: false,
    runAsUser: 0,
    runAsGroup: 0,
  });
});

test("socket, log, token and trust are volumes that our containers alone mount", () => {
  const pod = injected(podOf({ volumes: [{ name: "data", emptyDir: {} }] }));
  expect(pod.spec.volumes).toEqual([
    { name: "data", emptyDir: {} },
    { name: "heauth-run", emptyDir: { sizeLimit: "16Mi" } },
    { name: "heauth-wal", emptyDir: { sizeLimit: "1280Mi" } },
    {
      name: "heauth-token",
      projected: {
        defaultMode: 0o644,
        sources: [{ serviceAccountToken: { audience: "heauth-hub", expirationSeconds: 3600, path: "token" } }],
      },
    },
    {
      name: "heauth-trust",
      projected: {
        defaultMode: 0o644,
        sources: [
          { configMap: { name: "heauth-hub-ca", items: [{ key: "ca.crt", path: "hub-ca.crt" }] } },
          { configMap: { name: "heauth-ledger-keys", items: [{ key: "keys.json", path: "ledger-keys.json" }] } },
        ],
      },
    },
  ]);
  const mounted = (name: string) => (containerOf(pod, name).volumeMounts ?? []).map((mount) => mount.name);
  expect(mounted("heauth")).toEqual(["heauth-run", "heauth-wal", "heauth-token", "heauth-trust"]);
  expect(mounted("heauth-envoy")).toEqual(["heauth-run"]);
  expect([...mounted("heauth-redirect"), ...mounted("app")]).toEqual([]);
});

test("the sidecar reads the files where they are mounted", () => {
  const [program, ...args] = containerOf(injected(podOf()), "heauth")["args"] as string[];
  expect(program).toBe("sidecar");
  expect(args).toEqual(
    expect.arrayContaining([
      "--hub=https://heauth-hub.heauth-system.svc:8443",
      "--hub-ca=/etc/heauth/hub-ca.crt",
      "--hub-token=/var/run/secrets/heauth/token",
      "--identity-keys=/etc/heauth/ledger-keys.json",
      "--wal=/var/lib/heauth/wal",
      "--wal-quota=1024",
    ]),
  );
});

test.each([
  ["no limit where there is none", [{}, {}], undefined],
  ["a limit where each container has one", [{ limits: { "ephemeral-storage": "1Gi" } }], "1280Mi"],
  [
    "a limit where some have one: the pod is held to their sum",
    [{ limits: { "ephemeral-storage": "1Gi" } }, {}],
    "1280Mi",
  ],
  ["no limit because of limits on other things", [{ limits: { memory: "1Gi" } }], undefined],
])("the log is asked for as storage, with %s", (_, resources, limit) => {
  const containers = resources.map((each, n) => ({ name: `app-${n}`, image: "app", resources: each }));
  expect(containerOf(injected(podOf({ containers })), "heauth").resources).toEqual({
    requests: { cpu: "50m", memory: "128Mi", "ephemeral-storage": "1280Mi" },
    limits: { memory: "512Mi", ...(limit !== undefined && { "ephemeral-storage": limit }) },
  });
});

test.each([
  ["Kubernetes' own", undefined, 45],
  ["the pod's", 60, 75],
  ["none at all", 0, 15],
])("stopping takes 15 s longer than %s, of which 10 are left when drain gives up", (_, grace, raised) => {
  const pod = injected(podOf(grace === undefined ? {} : { terminationGracePeriodSeconds: grace }));
  expect(pod.spec.terminationGracePeriodSeconds).toBe(raised);
  const { args, lifecycle } = containerOf(pod, "heauth");
  const command = ["/usr/local/bin/heauth", "drain", "--pod-envoy=/run/heauth/envoy", `--within=${raised - 10}`];
  expect(lifecycle).toEqual({ preStop: { exec: { command } } });
  expect(args).toContain("--stop-within=8s");
});

test("app containers without a preStop wait 5 s, others as they say, init containers not at all", () => {
  const exec = { exec: { command: ["quit"] } };
  const containers = [
    app,
    { ...app, name: "b", lifecycle: { preStop: exec } },
    { ...app, name: "c", lifecycle: { postStart: exec } },
  ];
  const pod = injected(podOf({ containers, initContainers: [{ ...app, name: "cache", restartPolicy: "Always" }] }));
  const lifecycles = ["app", "b", "c", "cache"].map((name) => containerOf(pod, name).lifecycle);
  expect(lifecycles).toEqual([
    { preStop: { sleep: { seconds: 5 } } },
    { preStop: exec },
    { postStart: exec, preStop: { sleep: { seconds: 5 } } },
    undefined,
  ]);
});

test("what injection has no business with stays as it is", () => {
  const pod = injected(podOf({ tolerations: [{ key: "x" }] }, { env: [{ name: "A", value: "b" }] }, { note: "x" }));
  expect(pod).toMatchObject({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "web-", annotations: { note: "x" } },
  });
  expect(pod.spec).toMatchObject({ serviceAccountName: "web", tolerations: [{ key: "x" }] });
  expect(containerOf(pod, "app")).toMatchObject({ image: "app", env: [{ name: "A", value: "b" }] });
});

test("other settings reach a pod that comes again", () => {
  const other = { ...settings, ports: { envoy: 1, health: 2 }, images: { ...settings.images, heauth: "heauth:2" } };
  const before = podOf({}, { readinessProbe: { httpGet: { path: "/r", port: "http" } } });
  const again = inject(injected(before), other);
  expect(again).toEqual({ pod: injected(before, other), isChanged: true });
});

test("what others did to our containers is undone", () => {
  const pod = injected(podOf());
  const meddled = structuredClone(pod);
  for (const container of meddled.spec.initContainers ?? [])
    container["env"] = [{ name: "NODE_OPTIONS", value: "-r x" }];
  expect(inject(meddled, settings)).toEqual({ pod, isChanged: true });
  expect(inject(read(pod), settings)).toEqual({ pod, isChanged: false });
});
