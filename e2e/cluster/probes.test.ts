import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { killContainer, podsOf } from "./testing/kill.ts";
import { createScene, type Scene } from "./testing/scene.ts";

const WITHIN_MS = 110_000;
const WEB = 8080;
const RPC = 9000;
const RUN = 9001;
const APPS = ["web", "rpc", "run"];
const OURS = ["heauth", "heauth-envoy"];

const often = { periodSeconds: 2, timeoutSeconds: 5 };
/** Longer than a sidecar needs to be back, on a machine that does many other things. */
const patient = { ...often, failureThreshold: 60 };

/** Each kind of probe and hook, by numbers and names of ports; hooks by HTTP go to a container that was started before theirs. */
function containersOf(image: string): object[] {
  const container = (name: string, ...doors: string[]) => ({
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    args: ["doors", ...doors],
  });
  return [
    {
      ...container("web", `${WEB}`),
      ports: [{ name: "web", containerPort: WEB }],
      startupProbe: { httpGet: { path: "/startup", port: "web" }, ...patient },
      livenessProbe: { tcpSocket: { port: "web" }, ...patient },
      readinessProbe: { httpGet: { path: "/ready", port: WEB }, ...often },
      lifecycle: { preStop: { httpGet: { path: "/stopping", port: "web" } } },
    },
    {
      ...container("rpc", `grpc/${RPC}`),
      startupProbe: { tcpSocket: { port: RPC }, ...patient },
      livenessProbe: { grpc: { port: RPC, service: "live" }, ...patient },
      readinessProbe: { grpc: { port: RPC }, ...often },
    },
    {
      ...container("run", `${RUN}`),
      startupProbe: { exec: { command: ["true"] }, ...patient },
      livenessProbe: { httpGet: { path: "/live", port: RUN }, ...patient },
      readinessProbe: { exec: { command: ["test", "-x", "/usr/local/bin/echo"] }, ...often },
      lifecycle: { postStart: { httpGet: { path: "/started", port: WEB } } },
    },
  ];
}

const everything = {
  name: "all",
  match: [{ path: { type: "PathPrefix", value: "/" } }],
  access: "Authenticated",
  action: "all",
};

describe("probes and hooks of an app that denies everything without a session", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  const kinds = ["without fsGroup", "with fsGroup"] as const;
  const selectors = { "without fsGroup": "app=app,!of", "with fsGroup": "of=group" };

  beforeAll(async () => {
    cluster = await installedCluster();
    const image = cluster.images.echo;
    scene = await createScene(cluster, { policy: { rules: [everything] }, pod: { containers: containersOf(image) } });
    const group = { securityContext: { fsGroup: 2000 }, containers: containersOf(image) };
    await scene.kubectl(["apply", "--filename=-"], deployments({ group, failing: failing(image) }));
    await scene.kubectl(["rollout", "status", "deployment/group", "--timeout=120s"]);
  }, 300_000);
  afterAll(async () => {
    await scene?.remove();
  });

  const onlyPod = async (selector: string) => {
    const [pod, ...others] = await podsOf(cluster, scene.name, selector);
    if (pod === undefined || others.length > 0) throw new Error(`not one pod has ${selector}`);
    return pod;
  };
  const restartsOf = async (selector: string, names: readonly string[]) => {
    const { containers } = await onlyPod(selector);
    return names.map((name) => containers.find((each) => each.name === name)?.restarts);
  };
  const isReady = async (selector: string) => {
    const path = "-o=jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}";
    return (await scene.kubectl(["get", "pods", `--selector=${selector}`, path])) === "True";
  };

  test.each(kinds)(
    "all of them reach the app, %s",
    async (kind) => {
      const selector = selectors[kind];
      const { name } = await onlyPod(selector);
      const seen: readonly [app: string, line: RegExp][] = [
        ...["/startup", "/ready", "/started"].map((path): [string, RegExp] => [
          "web",
          new RegExp(`http ${WEB} GET ${path} by kube-.*heauth$`, "m"),
        ]),
        ["rpc", /grpc \/grpc\.health\.v1\.Health\/Check live by/],
        ["run", new RegExp(`http ${RUN} GET /live by kube-probe.*heauth$`, "m")],
      ];
      // A pod is ready before each of its liveness probes was performed once.
      for (const [app, line] of seen) {
        const log = async () => await scene.kubectl(["logs", name, `--container=${app}`]);
        expect(await eventually(log, (said) => line.test(said), WITHIN_MS)).toMatch(line);
      }
      expect(await restartsOf(selector, APPS)).toEqual([0, 0, 0]);
      expect(await isReady(selector)).toBe(true);
    },
    150_000,
  );

  test("nobody else does without a session", async () => {
    for (const path of ["/startup", "/ready", "/started"]) expect((await scene.ask({ path })).status).toBe(401);
  });

  test.each(OURS)(
    "%s is killed and comes back, and the app is not restarted",
    async (killed) => {
      const before = await Promise.all(kinds.map((kind) => onlyPod(selectors[kind])));
      await Promise.all(before.map((pod) => killContainer(cluster, pod, killed)));
      const began = Date.now();
      for (const [index, kind] of kinds.entries()) {
        const selector = selectors[kind];
        const known = before[index]?.containers.find(({ name }) => name === killed)?.restarts ?? 0;
        const isBack = () => restartsOf(selector, [killed]).then(([restarts = 0]) => restarts > known);
        expect(await eventually(async () => (await isBack()) && (await isReady(selector)), Boolean, WITHIN_MS)).toBe(
          true,
        );
        expect(await restartsOf(selector, APPS)).toEqual([0, 0, 0]);
      }
      console.log(`${killed} killed in two pods: both ready again after ${Date.now() - began} ms, no app restarted`);
      // The Service knows of it a moment later: until then nobody answers.
      expect(
        await eventually(
          async () => (await scene.ask({ path: "/ready" })).status,
          () => true,
          WITHIN_MS,
        ),
      ).toBe(401);
    },
    300_000,
  );

  test("a hook before the end reaches the app", async () => {
    const { name } = await onlyPod(selectors["with fsGroup"]);
    const following = cluster.kubectl([`--namespace=${scene.name}`, "logs", "--follow", "--container=web", name]);
    await scene.kubectl(["delete", `pod/${name}`, "--wait=false"]);
    expect(await must(following)).toMatch(new RegExp(`http ${WEB} GET /stopping by kube-.*heauth$`, "m"));
  }, 120_000);

  test("an app that fails is restarted, or not ready, as its own probes say", async () => {
    const [restarts = 0] = await eventually(
      () => restartsOf("of=failing", ["broken"]),
      ([count = 0]) => count > 0,
      WITHIN_MS,
    );
    expect(restarts).toBeGreaterThan(0);
    expect(await restartsOf("of=failing", ["unready", "heauth", "heauth-envoy"])).toEqual([0, 0, 0]);
    const path = "-o=jsonpath={.items[*].status.containerStatuses[?(@.name=='unready')].ready}";
    expect(await scene.kubectl(["get", "pods", "--selector=of=failing", path])).toBe("false");
  }, 180_000);

  test("a hook by TCP fails in the kubelet, as it does without heauth", async () => {
    const path = "-o=jsonpath={.items[*].involvedObject.fieldPath}";
    const named = await eventually(
      () => scene.kubectl(["get", "events", "--field-selector=reason=FailedPostStartHook", path]),
      (names) => names !== "",
      WITHIN_MS,
    );
    expect(named).toContain("spec.containers{hooked}");
  }, 180_000);
});

function failing(image: string): object {
  const container = (name: string, door: string) => ({
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    args: ["doors", door],
  });
  const containers = [
    {
      ...container("broken", `${WEB}`),
      livenessProbe: { httpGet: { path: "/fail", port: WEB }, ...often, failureThreshold: 1 },
    },
    { ...container("unready", `grpc/${RPC}`), readinessProbe: { grpc: { port: RPC, service: "failing" }, ...often } },
    { ...container("hooked", `${RUN}`), lifecycle: { postStart: { tcpSocket: { port: RUN } } } },
  ];
  return { containers };
}

/** Of one pod each, that the scene's policy selects. */
function deployments(specs: Readonly<Record<string, object>>): string {
  const items = Object.entries(specs).map(([name, spec]) => {
    const labels = { app: "app", of: name };
    const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 10, ...spec } };
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: { selector: { matchLabels: labels }, template },
    };
  });
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
