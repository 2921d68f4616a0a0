import { expect, test } from "@jest/globals";
import { answerPod } from "./answer-pod.ts";
import { inject } from "./inject.ts";
import { containerOf, injected, podOf, policy, read, settings } from "./testing/pods.ts";

const allowed = { ...settings, walClaims: true };
const claim = (claimName: string, more: object = {}) => ({
  name: "heauth-wal",
  persistentVolumeClaim: { claimName, ...more },
});

/** As a StatefulSet makes it. */
function stateful(name: string | undefined, volume: object, spec: object = {}, container: object = {}) {
  const pod = podOf({ volumes: [volume], securityContext: { fsGroup: 2000 }, ...spec }, container);
  const { generateName, ...metadata } = pod.metadata;
  return { ...pod, metadata: { ...metadata, ...(name === undefined ? { generateName } : { name }) } };
}
const web0 = stateful("web-0", claim("heauth-wal-web-0"));

test("a pod that keeps its name may bring a claim for its log, which takes nothing of the node's storage", () => {
  const pod = injected(web0, allowed);
  expect(pod.spec.volumes?.map(({ name }) => name)).toEqual([
    "heauth-wal",
    "heauth-run",
    "heauth-token",
    "heauth-trust",
  ]);
  expect(pod.spec.volumes?.[0]).toEqual(claim("heauth-wal-web-0"));
  const sidecar = containerOf(pod, "heauth");
  expect(sidecar.volumeMounts).toContainEqual({ name: "heauth-wal", mountPath: "/var/lib/heauth/wal" });
  expect(sidecar.resources).toEqual({ requests: settings.resources.heauth.requests, limits: { memory: "512Mi" } });
  expect(inject(read(JSON.parse(JSON.stringify(pod))), allowed)).toEqual({ pod, isChanged: false });
});

test.each([
  ["where claims are not allowed", "not allowed", web0, settings],
  ["of another pod", "the claim heauth-wal-POD", stateful("web-1", claim("heauth-wal-web-0")), allowed],
  ["with a name of its own", "the claim heauth-wal-POD", stateful("web-0", claim("data")), allowed],
  [
    "of a pod whose next one has another name",
    "keeps its name",
    stateful(undefined, claim("heauth-wal-web-")),
    allowed,
  ],
  ["that is only read", "readOnly", stateful("web-0", claim("heauth-wal-web-0", { readOnly: true })), allowed],
  [
    "that the sidecar can't write to",
    "fsGroup",
    stateful("web-0", claim("heauth-wal-web-0"), { securityContext: {} }),
    allowed,
  ],
])("a claim %s is refused", (_, said, pod, by) => {
  expect(inject(read(pod), by)).toEqual({ refusal: { reason: "LogClaim", message: expect.stringContaining(said) } });
});

test("no container of the app's mounts it", () => {
  const pod = stateful("web-0", claim("heauth-wal-web-0"), {}, { volumeMounts: [{ name: "heauth-wal" }] });
  expect(inject(read(pod), allowed)).toMatchObject({ refusal: { reason: "NameInUse" } });
});

test.each([
  ["by another volume", { name: "x", persistentVolumeClaim: { claimName: "heauth-wal-web-0" } }, "web-1"],
  ["by a claim that Kubernetes makes for it", { name: "web-0", ephemeral: {} }, "heauth-wal"],
])("nobody else gets at a log %s, also where no policy selects the pod", (_, volume, name) => {
  const around = {
    namespace: { name: "shop", labels: { "heauth.io/injection": "enabled" } },
    policies: [policy],
    settings: allowed,
  };
  const pod = stateful(name, volume);
  const refused = { outcome: "Refused", reason: "LogClaim", message: expect.stringContaining("hold the logs") };
  expect(answerPod(pod, around)).toEqual(refused);
  expect(answerPod(pod, { ...around, policies: [] })).toEqual(refused);
  expect(answerPod(stateful(name, { name: "data", ephemeral: {} }), around)).toMatchObject({
    outcome: name === "heauth-wal" ? "Refused" : "Injected",
  });
});
