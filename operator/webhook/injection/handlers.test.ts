import { expect, test } from "@jest/globals";
import { containerOf, injected, podOf } from "./testing/pods.ts";

const asked = (path: string) => ({ httpGet: { path: `/probe/app/${path}`, port: 15_020, scheme: "HTTP" } });
const checksOf = (pod: ReturnType<typeof injected>) => {
  const [{ value } = { value: "" }] = containerOf(pod, "heauth")["env"] as { value: string }[];
  return JSON.parse(value.replaceAll("$$", "$"));
};

test.each([
  [
    "HTTP",
    { httpGet: { path: "/r", port: 8080, scheme: "HTTP" } },
    { httpGet: { path: "/r", port: 8080, scheme: "HTTP" } },
  ],
  [
    "HTTPS, with headers",
    { httpGet: { port: 1, scheme: "HTTPS", httpHeaders: [{ name: "A", value: "$(B)" }] } },
    undefined,
  ],
  ["a port by its name", { httpGet: { path: "/r", port: "http" } }, { httpGet: { path: "/r", port: 8080 } }],
  ["TCP", { tcpSocket: { port: "http" } }, { tcpSocket: { port: 8080 } }],
  ["gRPC", { grpc: { port: 9000, service: "ready" } }, undefined],
])("probes by %s go to the sidecar, which does what is recorded", (_, original, performed = original as never) => {
  const probe = { ...original, timeoutSeconds: 2, periodSeconds: 7, failureThreshold: 4 };
  const pod = injected(podOf({}, { startupProbe: probe, livenessProbe: probe, readinessProbe: probe }));
  const others = { timeoutSeconds: 2, periodSeconds: 7, failureThreshold: 4 };
  expect(containerOf(pod, "app")).toMatchObject({
    startupProbe: { ...others, ...asked("startup") },
    livenessProbe: { ...others, ...asked("liveness") },
    readinessProbe: { ...others, ...asked("readiness") },
  });
  expect(Object.keys(containerOf(pod, "app").startupProbe ?? {}).sort()).toEqual(
    Object.keys({ ...others, httpGet: 1 }).sort(),
  );
  const done = { ...(performed as object), timeoutSeconds: 2 };
  expect(checksOf(pod)).toEqual({ "app/startup": done, "app/liveness": done, "app/readiness": done });
});

test("hooks by HTTP too", () => {
  const httpGet = { path: "/h", port: "http" };
  const pod = injected(podOf({}, { lifecycle: { postStart: { httpGet }, preStop: { httpGet } } }));
  expect(containerOf(pod, "app").lifecycle).toEqual({ postStart: asked("post-start"), preStop: asked("pre-stop") });
  const done = { httpGet: { path: "/h", port: 8080 } };
  expect(checksOf(pod)).toEqual({ "app/post-start": done, "app/pre-stop": done });
});

test("those of the pod's own sidecars too, each by its container's name", () => {
  const cache = { name: "cache", restartPolicy: "Always", startupProbe: { tcpSocket: { port: 6379 } } };
  const pod = injected(podOf({ initContainers: [cache] }, { readinessProbe: { tcpSocket: { port: 1 } } }));
  expect(checksOf(pod)).toEqual({
    "cache/startup": { tcpSocket: { port: 6379 } },
    "app/readiness": { tcpSocket: { port: 1 } },
  });
});

test.each([
  ["what is done in the container", { exec: { command: ["true"] } }],
  ["another host by HTTP", { httpGet: { host: "example.org", port: 80 } }],
  ["another host by TCP", { tcpSocket: { host: "127.0.0.1", port: 80 } }],
  ["a port that has no such name", { httpGet: { port: "nope" } }],
])("left alone is %s", (_, handler) => {
  const pod = injected(podOf({}, { livenessProbe: handler }));
  expect(containerOf(pod, "app").livenessProbe).toEqual(handler);
  expect(checksOf(pod)).toEqual({});
});

test("left alone is a hook by TCP, which the kubelet can't do", () => {
  const lifecycle = { postStart: { tcpSocket: { port: 8080 } }, preStop: { exec: { command: ["true"] } } };
  const pod = injected(podOf({}, { lifecycle }));
  expect(containerOf(pod, "app").lifecycle).toEqual(lifecycle);
  expect(checksOf(pod)).toEqual({});
});

test("Kubernetes puts no variable into what is recorded", () => {
  const pod = injected(podOf({}, { livenessProbe: { httpGet: { path: "/$(HOME)", port: 8080 } } }));
  const [{ value } = { value: "" }] = containerOf(pod, "heauth")["env"] as { value: string }[];
  expect(value).toContain("/$$(HOME)");
});
