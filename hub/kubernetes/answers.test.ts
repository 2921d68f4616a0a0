// What an API server of ours does not answer, and another one might.
import { createLogs, systemClock } from "@heauth/program";
import { type ClusterClient, ClusterError } from "@heauth/program/kubernetes";
import { describe, expect, test } from "@jest/globals";
import { livePod } from "./live-pod.ts";
import { createTokenReview, type ProvenPod } from "./token-review.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const answering = (answer: unknown) =>
  ({
    create: async () => answer,
    get: async () => {
      if (answer instanceof Error) throw answer;
      return answer;
    },
  }) as unknown as ClusterClient;

describe("a review", () => {
  const good = {
    authenticated: true,
    audiences: ["heauth-hub"],
    user: {
      username: "system:serviceaccount:shop:web",
      extra: {
        "authentication.kubernetes.io/pod-name": ["web-0"],
        "authentication.kubernetes.io/pod-uid": ["uid-1"],
      },
    },
  };
  const options = { audience: "heauth-hub", clock: systemClock, log };
  const review = (status: unknown) =>
    createTokenReview({ client: answering({ metadata: {}, status }), ...options })("t");
  const userWith = (user: object) => ({ ...good, user: { ...good.user, ...user } });

  test("tells the pod", async () => {
    const pod: ProvenPod = { namespace: "shop", name: "web-0", uid: "uid-1", serviceAccount: "web" };
    expect(await review(good)).toEqual(pod);
  });

  test.each<[string, unknown, string]>([
    ["that says nothing", undefined, "UNAUTHENTICATED"],
    ["that does not say yes", { ...good, authenticated: undefined }, "UNAUTHENTICATED"],
    ["by an authenticator that knows no audiences", { ...good, audiences: undefined }, "UNAUTHENTICATED"],
    ["of another audience", { ...good, audiences: ["heauth-hub-2"] }, "UNAUTHENTICATED"],
    ["of a person", userWith({ username: "ada" }), "PERMISSION_DENIED"],
    [
      "of a person with a telling name",
      userWith({ username: "x:system:serviceaccount:shop:web" }),
      "PERMISSION_DENIED",
    ],
    ["of a node", userWith({ username: "system:node:shop:web" }), "PERMISSION_DENIED"],
    ["without a pod", userWith({ extra: undefined }), "PERMISSION_DENIED"],
    [
      "of two pods",
      userWith({ extra: { ...good.user.extra, "authentication.kubernetes.io/pod-uid": ["a", "b"] } }),
      "PERMISSION_DENIED",
    ],
  ])("%s lets nobody in", async (_, status, code) => {
    await expect(review(status)).rejects.toMatchObject({ code });
  });
});

describe("a pod", () => {
  const proven: ProvenPod = { namespace: "shop", name: "web-0", uid: "uid-1", serviceAccount: "web" };
  const sidecar = { name: "heauth", image: "heauth:1", restartPolicy: "Always" };
  const good = {
    metadata: { uid: "uid-1", labels: { app: "web" } },
    spec: { serviceAccountName: "web", initContainers: [{ name: "other" }, sidecar] },
    status: { phase: "Running" },
  };
  const withSpec = (spec: object) => ({ ...good, spec: { ...good.spec, ...spec } });

  test.each(["Pending", "Running"])("that is %s is served, also while it is being deleted", async (phase) => {
    const deleting = { ...good, metadata: { ...good.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    for (const pod of [good, deleting]) {
      const live = await livePod(answering({ ...pod, status: { phase } }), proven);
      expect(live).toEqual({ labels: { app: "web" }, image: "heauth:1" });
    }
  });

  test.each<[string, unknown, string]>([
    ["of another uid", { ...good, metadata: { uid: "uid-2" } }, "UNAUTHENTICATED"],
    ["without a phase", { ...good, status: {} }, "UNAUTHENTICATED"],
    ["whose node is lost", { ...good, status: { phase: "Unknown" } }, "UNAUTHENTICATED"],
    ["under another service account", withSpec({ serviceAccountName: "db" }), "PERMISSION_DENIED"],
    ["without init containers", withSpec({ initContainers: undefined }), "PERMISSION_DENIED"],
    ["whose heauth runs once", withSpec({ initContainers: [{ name: "heauth" }] }), "PERMISSION_DENIED"],
    [
      "whose heauth is an app's container",
      withSpec({ initContainers: [], containers: [sidecar] }),
      "PERMISSION_DENIED",
    ],
  ])("%s is not", async (_, pod, code) => {
    await expect(livePod(answering(pod), proven)).rejects.toMatchObject({ code });
  });

  test("that can't be looked at is not gone", async () => {
    const away = new ClusterError("Unreachable", "nobody there");
    await expect(livePod(answering(away), proven)).rejects.toBe(away);
  });
});
