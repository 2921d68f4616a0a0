import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { ResourceKey } from "../../source/source.ts";
import { MemoryCluster } from "../../testing/memory-cluster.ts";
import { ACME, ControllerRig, WEB } from "../testing/controller-rig.ts";

const API: ResourceKey = { kind: "AuthPolicy", namespace: "shop", name: "api" };

let rig: ControllerRig;
beforeEach(async () => {
  rig = await ControllerRig.open(new MemoryCluster());
  rig.tenant();
});
afterEach(() => rig.end());

const word = (type: Parameters<typeof rig.status.word>[1], key = WEB) => rig.status.word(key, type);

describe("how far a policy has come", () => {
  const settled = async () => {
    await rig.settle();
    return [word("Enforced"), rig.status.of(WEB)?.pods];
  };
  const counts = (selected: number, injected: number, synced: number) => ({ selected, injected, synced });

  test("from bare pods to sidecars that go by its newest digest", async () => {
    rig.policy();
    const pods = ["web-0", "web-1"].map((name) => rig.source.pod(name, { injected: false }));
    rig.source.pod("other", { labels: { app: "api" } });
    rig.source.pod("leaving", { deleting: true });
    expect(await settled()).toEqual(["False PodsNotInjected", counts(2, 0, 0)]);
    expect(rig.status.message(WEB, "Enforced")).toBe("without heauth's sidecar: web-0, web-1");
    for (const pod of pods) rig.source.pod(pod.name, { ...pod, injected: true });
    expect(await settled()).toEqual(["False Syncing", counts(2, 2, 0)]);
    await rig.ack({ name: "web-0", uid: pods[0]?.uid ?? "" });
    expect(await settled()).toEqual(["False Syncing", counts(2, 2, 1)]);
    expect(rig.status.message(WEB, "Enforced")).toBe("not yet at 1 of 2 pods: web-1");
    await rig.ack({ name: "web-1" });
    expect(await settled()).toEqual(["True Enforced", counts(2, 2, 2)]);
    rig.policy({ mode: "Shadow" });
    expect(await settled()).toEqual(["False Syncing", counts(2, 2, 0)]);
    for (const { name } of pods) await rig.ack({ name });
    expect(await settled()).toEqual(["True Enforced", counts(2, 2, 2)]);
    rig.source.endPod({ namespace: "shop", name: "web-1" });
    expect(await settled()).toEqual(["True Enforced", counts(1, 1, 1)]);
  });

  test("pods that nothing protects are named whatever else is wrong with their policy", async () => {
    rig.policy();
    rig.source.pod("web-0", { injected: false });
    await rig.settle();
    const bare = ["False PodsNotInjected", counts(1, 0, 0)];
    rig.policy({ authentication: { audiences: ["somebody-elses"] } });
    expect(await settled()).toEqual(bare);
    expect(word("Accepted")).toBe("False LimitExceeded");
    rig.source.remove(ACME);
    expect(await settled()).toEqual(bare);
    expect(rig.status.message(WEB, "Enforced")).toBe("without heauth's sidecar: web-0");
  });

  test("names five pods and counts the others", async () => {
    rig.policy();
    for (let n = 0; n < 7; n++) rig.source.pod(`web-${n}`, { injected: false });
    await rig.settle();
    expect(rig.status.message(WEB, "Enforced")).toBe(
      "without heauth's sidecar: web-0, web-1, web-2, web-3, web-4 and 2 more",
    );
  });

  test("sidecars that lack features, or refuse it, are told apart from those that are late", async () => {
    rig.policy();
    const pod = rig.source.pod("web-0");
    await rig.settle();
    await rig.ack(pod, { enforced: false, missingFeatures: ["shadow", "condition"] });
    expect(await settled()).toEqual(["False SidecarTooOld", counts(1, 1, 0)]);
    expect(rig.status.message(WEB, "Enforced")).toBe("sidecars that lack condition, shadow: web-0");
    await rig.ack(pod, { enforced: false, message: "it can't be read" });
    expect(await settled()).toEqual(["False SidecarRefused", counts(1, 1, 0)]);
    await rig.ack(pod, { enforced: false, missingFeatures: ["shadow"], digest: "sha256:older" });
    expect(await settled()).toEqual(["False Syncing", counts(1, 1, 0)]);
  });

  test("what an earlier pod of the same name said does not count, and is forgotten after a while", async () => {
    rig.policy();
    const pod = rig.source.pod("web-0");
    await rig.settle();
    await rig.ack(pod);
    await rig.ack({ name: "gone" });
    expect(await settled()).toEqual(["True Enforced", counts(1, 1, 1)]);
    const acked = () => rig.rows("SELECT pod FROM policy_ack ORDER BY pod");
    expect(await acked()).toEqual([{ pod: "shop/gone" }, { pod: "shop/web-0" }]);
    await rig.rows("UPDATE policy_ack SET updated_at = now() - interval '11 minutes'");
    rig.source.pod("web-0");
    expect(await settled()).toEqual(["False Syncing", counts(1, 1, 0)]);
    expect(await acked()).toEqual([{ pod: "shop/web-0" }]);
  });

  test("of two policies on one pod the older one wins; the other says so, and takes over when that goes", async () => {
    const older = { name: "zz-older", namespace: "shop" };
    rig.policy({ selector: { matchExpressions: [{ key: "app", operator: "In", values: ["web", "api"] }] } }, older);
    rig.policy();
    const pod = rig.source.pod("web-0");
    rig.source.pod("api-0", { labels: { app: "api" } });
    await rig.settle();
    const OLDER = { ...WEB, name: "zz-older" };
    expect([word("Conflicted"), word("Enforced")]).toEqual(["True SelectedByAnother", "False Conflicted"]);
    expect(rig.status.message(WEB, "Conflicted")).toBe("shop/zz-older is older and protects web-0");
    expect(word("Conflicted", OLDER)).toBe("False NoConflict");
    // What doesn't meet on a pod does not conflict.
    rig.policy({ selector: { matchLabels: { app: "api", tier: "back" } } }, API);
    await rig.settle();
    expect(word("Conflicted", API)).toBe("False NoConflict");
    rig.source.remove(OLDER);
    // Only what it tells of: nobody looks at everything.
    const { affects = [] } = await rig.reconcile(OLDER);
    expect(affects).toEqual([WEB]);
    for (const key of affects) await rig.reconcile(key);
    expect([word("Conflicted"), word("Enforced")]).toEqual(["False NoConflict", "False Syncing"]);
    await rig.ack(pod);
    expect(await settled()).toEqual(["True Enforced", counts(1, 1, 1)]);
  });

  test("as old, the first by name wins; and a change of pods makes and ends conflicts", async () => {
    const at = { createdAtMs: 1_700_000_000_000 };
    const put = (name: string, app: string) =>
      rig.source.put(
        {
          kind: "AuthPolicy",
          metadata: { name, namespace: "shop" },
          spec: {
            tenantRef: { name: "acme" },
            selector: { matchLabels: { app } },
            ports: [{ port: 80, protocol: "HTTP" }],
          },
        },
        at,
      );
    put("web", "web");
    put("api", "web");
    rig.source.pod("web-0");
    await rig.settle();
    expect([word("Conflicted"), word("Conflicted", API)]).toEqual(["True SelectedByAnother", "False NoConflict"]);
    put("api", "other");
    const { affects } = await rig.reconcile(API);
    expect(affects).toEqual([WEB]);
    await rig.reconcile(WEB);
    expect(word("Conflicted")).toBe("False NoConflict");
  });
});
