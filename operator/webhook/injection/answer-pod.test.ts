import { expect, test } from "@jest/globals";
import { type Around, answerPod } from "./answer-pod.ts";
import { labelRefusal } from "./label-change.ts";
import { podPatch } from "./patch.ts";
import { injected, podOf, policy, settings } from "./testing/pods.ts";

type Labels = Readonly<Record<string, string>>;

function around(labels: Labels = { "heauth.io/injection": "enabled" }, more: Partial<Around> = {}): Around {
  return { namespace: { name: "shop", labels }, policies: [policy], settings, ...more };
}
const required = around({ "heauth.io/injection": "required" });
const labelled = (labels: Labels, pod = podOf()) => ({ ...pod, metadata: { ...pod.metadata, labels } });
const refused = (reason: string, said: string) => ({
  outcome: "Refused",
  reason,
  message: expect.stringContaining(said),
});

test.each([
  ["no label", around({})],
  ["another value", around({ "heauth.io/injection": "disabled" })],
  ["no policy", around(undefined, { policies: [] })],
  ["kube-system", around(undefined, { namespace: { name: "kube-system", labels: required.namespace.labels } })],
  [
    "heauth's own namespace",
    around(undefined, { namespace: { name: "heauth-system", labels: required.namespace.labels } }),
  ],
])("nothing is done with %s", (_, where) => {
  expect(answerPod(podOf({ hostNetwork: true }), where)).toEqual({ outcome: "Unchanged" });
});

test("what the kubelet shows of a static pod is left alone: nothing runs by it", () => {
  const mirror = podOf({ hostNetwork: true }, {}, { "kubernetes.io/config.mirror": "x" });
  expect(answerPod(mirror, around())).toEqual({ outcome: "Unchanged" });
  expect(answerPod(mirror, required)).toEqual({ outcome: "Unchanged" });
});

test("a selected pod is injected", () => {
  expect(answerPod(podOf(), around())).toEqual({ outcome: "Injected", pod: injected(podOf()), warnings: [] });
  expect(answerPod(podOf(), required)).toEqual({ outcome: "Injected", pod: injected(podOf()), warnings: [] });
});

test("one that is injected already is left alone", () => {
  expect(answerPod(injected(podOf()), around())).toEqual({ outcome: "Unchanged" });
});

test("one that no policy selects is left alone, and refused where each must have one", () => {
  const other = labelled({ app: "other" });
  expect(answerPod(other, around())).toEqual({ outcome: "Unchanged" });
  expect(answerPod(other, required)).toEqual(refused("NotSelected", "no AuthPolicy in shop"));
  expect(answerPod({ ...other, metadata: { name: "x" } }, required)).toEqual(refused("NotSelected", "shop"));
});

test("one that can't be injected is refused, on either level", () => {
  for (const where of [around(), required]) {
    expect(answerPod(podOf({ hostNetwork: true }), where)).toEqual(refused("HostNetwork", "spec.hostNetwork"));
  }
});

test("a policy's port that is heauth's own refuses its pods: the oldest policy's, which is theirs", () => {
  const bad = { ...policy, name: "bad", ports: [8080, 15_020] };
  expect(answerPod(podOf(), around(undefined, { policies: [bad] }))).toEqual(
    refused("PortInUse", "15020 of AuthPolicy bad"),
  );
  const older = { ...policy, createdAtMs: 0 };
  expect(answerPod(podOf(), around(undefined, { policies: [bad, older] }))).toMatchObject({ outcome: "Injected" });
});

test.each([
  [undefined],
  [null],
  ["pod"],
  [{}],
  [{ metadata: {}, spec: {} }],
  [{ metadata: {}, spec: { containers: [{}] } }],
])("%j is no pod, and does not pass", (object) => {
  expect(answerPod(object, around())).toEqual(refused("PodUnreadable", "no pod"));
  expect(labelRefusal(podOf(), object, around())).toMatchObject({ reason: "PodUnreadable" });
});

test.each(["baseline", "restricted"])("the webhook says that Pod Security %s will refuse the pod", (level) => {
  const labels = { "heauth.io/injection": "enabled", "pod-security.kubernetes.io/enforce": level };
  const warnings = [expect.stringMatching(/^namespace shop has pod-security.*needs privileged$/)];
  expect(answerPod(podOf(), around(labels))).toMatchObject({ outcome: "Injected", warnings });
  const privileged = { ...labels, "pod-security.kubernetes.io/enforce": "privileged" };
  expect(answerPod(podOf(), around(privileged))).toMatchObject({ warnings: [] });
});

test("a running pod gets no labels that select it where it has no sidecar", () => {
  const other = labelled({ app: "other" });
  expect(labelRefusal(other, podOf(), around())).toEqual({
    reason: "NotInjected",
    message: expect.stringContaining("AuthPolicy web selects these labels"),
  });
  expect(labelRefusal(other, podOf(), around({}))).toBeUndefined();
  expect(labelRefusal(other, injected(podOf()), around())).toBeUndefined();
  expect(labelRefusal(podOf(), other, around())).toBeUndefined();
  // It was selected before, which the policy's status tells; it can still be annotated, and lose its finalizers.
  expect(labelRefusal(podOf(), podOf({}, {}, { note: "x" }), around())).toBeUndefined();
});

/** RFC 6902's `add`, as far as it is used here. */
function patched(object: object, operations: ReturnType<typeof podPatch>) {
  const copy = structuredClone(object) as Record<string, Record<string, unknown>>;
  for (const { path, value } of operations) {
    const [, first = "", second] = path.split("/");
    if (second === undefined) copy[first] = value as Record<string, unknown>;
    else (copy[first] as Record<string, unknown>)[second] = value;
  }
  return copy;
}

test("the patch makes the injected pod of the one that was asked about, whether it has annotations or not", () => {
  for (const pod of [podOf(), podOf({}, {}, { note: "x" })]) {
    expect(patched(pod, podPatch(injected(pod)))).toEqual(injected(pod));
  }
});
