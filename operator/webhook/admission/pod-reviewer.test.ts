import { authPolicy, changed } from "@heauth/core/resources/testing";
import { createLogs, createMetrics } from "@heauth/program";
import { type ClusterClient, ClusterError } from "@heauth/program/kubernetes";
import { expect, test } from "@jest/globals";
import { podOf, settings } from "../injection/testing/pods.ts";
import { reviewOf } from "../testing/review-of.ts";
import { createPodReviewer } from "./pod-reviewer.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const stored = changed(authPolicy, "metadata.creationTimestamp", "2026-11-21T06:00:00Z");
const labels = { "heauth.io/injection": "enabled" };

/** A reviewer in a cluster that holds this. */
function reviewer({ policies = [stored], fault }: { policies?: object[]; fault?: Error } = {}) {
  const answer = async (found: object) => {
    if (fault !== undefined) throw fault;
    return found;
  };
  const client = { get: () => answer({ metadata: { labels } }), list: () => answer({ items: policies }) };
  return createPodReviewer({ client: client as unknown as ClusterClient, settings, log, metrics: createMetrics() });
}
const kind = { group: "", version: "v1", kind: "Pod" };
const question = (more: object = {}) => reviewOf(podOf(), { kind, ...more });
const without = (path: string) => changed(stored, path, undefined);

test("a pod is answered by a patch, by the uid of the question", async () => {
  const { response } = await reviewer().mutate(question());
  expect(response).toMatchObject({ uid: question().request.uid, allowed: true, patchType: "JSONPatch" });
  expect(JSON.parse(Buffer.from(response.patch ?? "", "base64").toString())).toMatchObject([
    { op: "add", path: "/metadata/annotations" },
    { op: "add", path: "/spec" },
  ]);
  expect(await reviewer().mutate(question({ dryRun: true }))).toEqual({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response,
  });
});

test.each([
  ["Unreachable", new ClusterError("Unreachable", "GET /secret: connection refused")],
  ["Timeout", new ClusterError("Timeout", "no answer within 3000 ms")],
  ["NotFound", new ClusterError("NotFound", "no such namespace")],
])("while the cluster can't be asked (%s) no pod is let in, and no label changed", async (code, fault) => {
  const { mutate, validate } = reviewer({ fault });
  for (const { response } of [await mutate(question()), await validate(question({ operation: "UPDATE" }))]) {
    expect(response).toMatchObject({ allowed: false, status: { code: 503, reason: "ServiceUnavailable" } });
    expect(response.status).toMatchObject({ message: expect.stringContaining(`(${code})`) });
    expect(JSON.stringify(response)).not.toContain(fault.message);
  }
});

test.each(["spec.selector", "spec.ports", "metadata.creationTimestamp"])(
  "a policy whose %s can't be read lets no pod of its namespace in",
  async (field) => {
    const { response } = await reviewer({ policies: [stored, without(field)] }).mutate(question());
    const message = expect.stringContaining(`AuthPolicy shop/web can't be read: ${field} is wrong`);
    expect(response).toMatchObject({ allowed: false, status: { code: 503, message } });
  },
);

test("ports that are let through are the policy's too", async () => {
  const { response } = await reviewer({ policies: [changed(stored, "spec.passthroughPorts", [15_020])] }).mutate(
    question(),
  );
  expect(response).toMatchObject({ allowed: false, status: { code: 403, reason: "Forbidden" } });
});

test.each([
  ["mutate", { operation: "UPDATE" }],
  ["mutate", { subResource: "binding" }],
  ["mutate", { kind: { ...kind, kind: "PodTemplate" } }],
  ["validate", { operation: "CREATE" }],
  ["validate", { operation: "UPDATE", subResource: "resize" }],
] as const)("%s answers no other question: %j", async (review, more) => {
  const { response } = await reviewer()[review](question(more));
  expect(response).toMatchObject({ allowed: false, status: { message: expect.stringContaining("(NotSupported)") } });
});

test("what is no question is not answered", async () => {
  await expect(reviewer().mutate({})).rejects.toMatchObject({ code: "ReviewUnreadable" });
});
