import { expect, test } from "@jest/globals";
import type { Around } from "./answer-pod.ts";
import type { Pod } from "./pod.ts";
import { ephemeralRefusal, imageRefusal } from "./running-pod.ts";
import { injected, podOf, policy, settings } from "./testing/pods.ts";

const around: Around = {
  namespace: { name: "shop", labels: { "heauth.io/injection": "enabled" } },
  policies: [policy],
  settings,
};
const elsewhere: Around = { ...around, namespace: { name: "shop", labels: {} } };
const pod = injected(podOf());

const withImage = ({ spec, ...others }: Pod, name: string): Pod => {
  const other = <C extends { name: string }>(each: C) => (each.name === name ? { ...each, image: "other" } : each);
  return {
    ...others,
    spec: { ...spec, initContainers: spec.initContainers?.map(other), containers: spec.containers.map(other) },
  };
};
const debugged = (given: object, ...containers: object[]) => {
  const { spec, ...others } = given as Pod;
  return { ...others, spec: { ...spec, ephemeralContainers: containers } };
};

test.each(["heauth-redirect", "heauth", "heauth-envoy"])("%s keeps its image", (name) => {
  expect(imageRefusal(pod, withImage(pod, name), around)).toEqual({
    reason: "SidecarChanged",
    message: expect.stringContaining(`container ${name}: its image is heauth's own`),
  });
  expect(imageRefusal(pod, withImage(pod, name), elsewhere)).toBeUndefined();
});

test("the app's image can be changed, and everything in a pod that has no sidecar", () => {
  expect(imageRefusal(pod, withImage(pod, "app"), around)).toBeUndefined();
  expect(imageRefusal(pod, { ...pod, metadata: { labels: { a: "b" } } }, around)).toBeUndefined();
  const fake = podOf({ initContainers: [{ name: "heauth", image: "mine" }] });
  expect(imageRefusal(fake, withImage(fake as Pod, "heauth"), around)).toBeUndefined();
});

test.each([
  ["SharedProcesses", "its target heauth is heauth's own", { targetContainerName: "heauth" }],
  ["SharedProcesses", "its target heauth-envoy", { targetContainerName: "heauth-envoy" }],
  ["PrivilegedContainer", "debug is privileged", { securityContext: { privileged: true } }],
  ["PrivilegedContainer", "debug adds NET_ADMIN", { securityContext: { capabilities: { add: ["NET_ADMIN"] } } }],
  ["SidecarUser", "user 43288", { securityContext: { runAsUser: 43_288 } }],
  ["NameInUse", "mounts heauth-token", { volumeMounts: [{ name: "heauth-token", mountPath: "/t" }] }],
])("a debugging container of an injected pod is refused: %s, %s", (reason, said, container) => {
  const bad = debugged(pod, { name: "fine" }, { name: "debug", image: "debug", ...container });
  expect(ephemeralRefusal(debugged(pod, { name: "fine" }), bad, around)).toEqual({
    reason,
    message: expect.stringContaining(said),
  });
  expect(ephemeralRefusal(pod, bad, elsewhere)).toBeUndefined();
  // It is there already, and can't be taken out again.
  expect(ephemeralRefusal(bad, bad, around)).toBeUndefined();
  expect(ephemeralRefusal(podOf(), debugged(podOf(), { name: "debug", ...container }), around)).toBeUndefined();
});

test("one that looks at the app is let in", () => {
  const debug = { name: "debug", image: "busybox", targetContainerName: "app" };
  expect(ephemeralRefusal(pod, debugged(pod, debug), around)).toBeUndefined();
});

test("what is no pod does not pass", () => {
  expect(imageRefusal(pod, {}, around)).toMatchObject({ reason: "PodUnreadable" });
  expect(ephemeralRefusal({}, pod, around)).toMatchObject({ reason: "PodUnreadable" });
});
