import { AUTH_POLICIES, type KubeObject } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { podsOf } from "./testing/kill.ts";
import { followPolicy, type PolicyVersion, type PolicyVersions } from "./testing/policy-versions.ts";
import { createScene, type Scene } from "./testing/scene.ts";

const PODS = 4;
const CHANGES = 40;

describe("a policy that changes", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let versions: PolicyVersions;
  let change = 0;

  beforeAll(async () => {
    cluster = await installedCluster();
    scene = await createScene(cluster, { replicas: PODS, pod: { terminationGracePeriodSeconds: 5 } });
    versions = await followPolicy(cluster, scene.name, "app");
  }, 240_000);
  afterAll(async () => {
    await versions?.stop();
    await scene?.remove();
  });

  /** Opens one path to everybody instead of the one before, which tells by which version of the policy a pod goes. */
  async function changePolicy(): Promise<number> {
    change += 1;
    const match = [{ path: { type: "Exact", value: `/at-${change}` }, methods: ["GET"] }];
    const rest = { name: "rest", match: [{ path: { type: "PathPrefix", value: "/" } }], access: "Authenticated" };
    const rules = [{ name: "now", match, access: "Public" }, rest];
    const name = { namespace: scene.name, name: "app" };
    const { metadata } = await cluster.client.patch<KubeObject>(AUTH_POLICIES, name, { spec: { rules } });
    return metadata.generation as number;
  }

  /** The pods that are there; one that is being deleted is not waited for. */
  async function addresses(): Promise<readonly string[]> {
    const pods = await podsOf(cluster, scene.name, "app=app");
    return pods.map(({ ip }) => (ip.includes(":") ? `[${ip}]` : ip)).filter((ip) => ip !== "");
  }
  /** By pod: whether everybody may read what is open now, and what was open before. No answer (a pod that comes or goes) is neither. */
  async function answers(of: readonly string[]) {
    const urls = of.flatMap((ip) => [change, change - 1].map((each) => `http://${ip}:8080/at-${each}`));
    const each =
      'for url in "$@"; do if env echo get "$url" 2>&1 | grep -q "^port"; then echo open; else echo no; fi; done';
    const said = (await scene.kubectl(["exec", "client", "--", "sh", "-c", each, "sh", ...urls])).trim().split("\n");
    return of.map((_, index) => ({ now: said[2 * index], before: said[2 * index + 1] }));
  }
  const enforced = (generation: number) => versions.until(generation, ({ isEnforced }) => isEnforced);
  const at = (pods: number) => (version: PolicyVersion) =>
    version.isEnforced && version.pods.selected === pods && version.pods.synced === pods;

  test("is in force in all pods when its status says so", async () => {
    const times: number[] = [];
    const pods = await addresses();
    for (let count = 0; count < CHANGES; count++) {
      const start = performance.now();
      const generation = await changePolicy();
      const version = await enforced(generation);
      times.push(version.seenAt - start);
      expect(version.pods).toEqual({ selected: PODS, injected: PODS, synced: PODS });
      expect(await answers(pods)).toEqual(Array(PODS).fill({ now: "open", before: "no" }));
    }
    console.log(
      `policy change to Enforced=True at ${PODS} pods: p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms over ${CHANGES}`,
    );
  }, 300_000);

  test("of many changes at once the last one is in force in the end", async () => {
    let generation = 0;
    for (let count = 0; count < 10; count++) generation = await changePolicy();
    expect((await enforced(generation)).pods).toEqual({ selected: PODS, injected: PODS, synced: PODS });
    expect(await answers(await addresses())).toEqual(Array(PODS).fill({ now: "open", before: "no" }));
  }, 120_000);

  test("counts the pods that come and go", async () => {
    const { generation } = versions.all.at(-1) as PolicyVersion;
    for (const replicas of [PODS + 1, 2]) {
      const from = versions.all.length;
      await scene.kubectl(["scale", "deployment/app", `--replicas=${replicas}`]);
      const isNew = (version: PolicyVersion) => versions.all.indexOf(version) >= from;
      const { pods } = await versions.until(generation, (version) => isNew(version) && at(replicas)(version));
      expect(pods).toEqual({ selected: replicas, injected: replicas, synced: replicas });
    }
  }, 180_000);

  test("is in force in old and new pods while they are replaced", async () => {
    await scene.kubectl(["rollout", "restart", "deployment/app"]);
    const rolling = scene.kubectl(["rollout", "status", "deployment/app", "--timeout=120s"]);
    let isOver = false;
    const over = rolling.finally(() => {
      isOver = true;
    });
    let changes = 0;
    while (!isOver) {
      await enforced(await changePolicy());
      changes += 1;
      // Nothing that is there goes by what was in force before; one that comes or goes may not answer.
      expect((await answers(await addresses())).map(({ before }) => before)).not.toContain("open");
    }
    await over;
    expect(changes).toBeGreaterThan(0);
    const version = await versions.until(await changePolicy(), at(2));
    expect(version.pods).toEqual({ selected: 2, injected: 2, synced: 2 });
  }, 240_000);

  test("never had a status that can't be", () => {
    expect(versions.all.filter(({ pods }) => pods.synced > pods.injected || pods.injected > pods.selected)).toEqual([]);
    expect(versions.all.filter(({ isEnforced, pods }) => isEnforced && pods.synced !== pods.selected)).toEqual([]);
    const digests = Map.groupBy(
      versions.all.filter(({ isEnforced }) => isEnforced),
      ({ generation }) => generation,
    );
    for (const [, of] of digests) expect(new Set(of.map(({ digest }) => digest)).size).toBe(1);
  });
});

function quantile(times: readonly number[], of: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * of))] ?? Number.NaN);
}
