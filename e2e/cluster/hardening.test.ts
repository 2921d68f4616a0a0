import { randomBytes } from "node:crypto";
import type { KubeObject } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";
import { type Helm, openHelm } from "./testing/chart/helm.ts";
import { EVERYTHING, SWITCHED } from "./testing/chart/values.ts";

interface Container {
  readonly name: string;
  readonly resources: { readonly requests?: object; readonly limits?: object };
  readonly securityContext?: object;
  readonly volumeMounts?: readonly { readonly mountPath: string }[];
}
interface Pod extends KubeObject {
  readonly spec: { readonly containers: readonly Container[]; readonly initContainers?: readonly Container[] };
}
interface NetworkPolicy extends KubeObject {
  readonly spec: { readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> } };
}

const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount";
/** They speak to the API server; so do those that may have ended and gone. */
const WITH_TOKEN = ["cli", "hub", "operator", "webhook"];
const AT_TIMES = ["keys", "test"];
const COMPONENT = "app.kubernetes.io/component";

const componentOf = ({ metadata }: KubeObject) => metadata.labels?.[COMPONENT] ?? "";
const containersOf = ({ spec }: Pod) => [...spec.containers, ...(spec.initContainers ?? [])];

/** A pod that Pod Security's level `restricted` lets in, but for what is over. */
function pod(ofContainer: object, ofPod: object = {}): string {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, ...ofContainer };
  const spec = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{ name: "a", image: "a", securityContext }],
    ...ofPod,
  };
  return JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "intruder" }, spec });
}

/** Each value of the chart is another one in one of these sets. What is switched off hides the rest of what it is about. */
const switched = Object.entries(SWITCHED).map(([path, [other, ...needed]]) => ({ path, other, needed }));
const assign = (chosen: typeof switched) => [
  ...new Set(chosen.flatMap(({ path, other, needed }) => [...needed, `${path}=${other}`])),
];
const off = switched.filter(({ other }) => other === "false");
const SETS: readonly [string, readonly string[]][] = [
  ["none", []],
  ["everything that can be switched on", EVERYTHING],
  ["all other values", assign(switched.filter((each) => !off.includes(each)))],
  ["everything that can be switched off", assign(off)],
  // With autoscaling there is no number.
  ["the number of hubs", ["hub.replicas=3"]],
];

describe("the chart's own namespace", () => {
  let cluster: InstalledCluster;
  let helm: Helm;
  /** Where nothing is installed: what can't be changed later can be tried there. */
  const elsewhere = `e2e-${randomBytes(4).toString("hex")}`;
  /** The second one is that of `helm test`. */
  const namespaces = [elsewhere, `${elsewhere}-test`];
  const list = async <T extends KubeObject>(what: string): Promise<readonly T[]> =>
    JSON.parse(await must(cluster.kubectl([`--namespace=${cluster.namespace}`, "get", what, "--output=json"]))).items;

  beforeAll(async () => {
    cluster = await installedCluster();
    helm = await openHelm();
    const levels = ["warn", "enforce"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "restricted"]);
    const items = namespaces.map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: name === elsewhere ? Object.fromEntries(levels) : {} },
    }));
    await must(cluster.kubectl(["create", "--filename=-"], JSON.stringify({ apiVersion: "v1", kind: "List", items })));
  });
  afterAll(async () => {
    await helm?.stop();
    await cluster?.kubectl(["delete", "namespace", ...namespaces, "--wait=false"]);
  });

  const tryPod = (manifest: string) =>
    cluster.kubectl([`--namespace=${cluster.namespace}`, "create", "--dry-run=server", "--filename=-"], manifest);

  test("lets in a pod that Pod Security's level restricted allows", async () => {
    expect(await tryPod(pod({}))).toMatchObject({ code: 0 });
  });

  test.each([
    ["is privileged", pod({ privileged: true, allowPrivilegeEscalation: true }), "privileged"],
    ["runs as root", pod({ runAsNonRoot: false, runAsUser: 0 }), "runAsNonRoot"],
    ["keeps its capabilities", pod({ capabilities: {} }), "unrestricted capabilities"],
    ["wants more of them", pod({ capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] } }), "NET_ADMIN"],
    ["may gain privileges", pod({ allowPrivilegeEscalation: true }), "allowPrivilegeEscalation"],
    ["has no seccomp profile", pod({}, { securityContext: { runAsNonRoot: true } }), "seccompProfile"],
    ["is in the node's network", pod({}, { hostNetwork: true }), "host namespaces"],
    ["sees the node's files", pod({}, { volumes: [{ name: "etc", hostPath: { path: "/etc" } }] }), "hostPath"],
  ])("refuses a pod that %s", async (_, manifest, why) => {
    const { code, stderr } = await tryPod(manifest);
    expect(code).not.toBe(0);
    expect(stderr).toContain('violates PodSecurity "restricted:');
    expect(stderr).toContain(why);
  });

  test("has pods that can write nothing in their image, gain nothing and use what they were given", async () => {
    const pods = await list<Pod>("pods");
    expect(pods.length).toBeGreaterThan(8);
    for (const { name, resources, securityContext } of pods.flatMap(containersOf)) {
      expect({ name, securityContext }).toMatchObject({
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
        },
      });
      expect({ name, resources }).toMatchObject({
        resources: {
          requests: { cpu: expect.any(String), memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        },
      });
    }
    const inCli = [`--namespace=${cluster.namespace}`, "exec", "deployment/heauth-cli", "--"];
    const written = await cluster.kubectl([...inCli, "touch", "/opt/heauth/file"]);
    expect(written.stderr).toContain("Read-only file system");
  });

  test("has a token of the API server's only in pods that speak to it", async () => {
    const withToken = (await list<Pod>("pods")).filter((each) =>
      containersOf(each).some(({ volumeMounts = [] }) => volumeMounts.some(({ mountPath }) => mountPath === TOKEN)),
    );
    const components = new Set(withToken.map(componentOf).filter((name) => !AT_TIMES.includes(name)));
    expect([...components].sort()).toEqual(WITH_TOKEN);
  });

  test("has a NetworkPolicy for each of its pods", async () => {
    const policies = await list<NetworkPolicy>("networkpolicies");
    const open = (await list<Pod>("pods")).filter(
      ({ metadata }) =>
        !policies.some(({ spec }) =>
          Object.entries(spec.podSelector.matchLabels).every(([key, value]) => metadata.labels?.[key] === value),
        ),
    );
    expect(open.map(({ metadata }) => metadata.name)).toEqual([]);
  });

  test.each(SETS)("could be filled by the chart, says the API server, with other values for %s", async (_, values) => {
    const { text } = await helm.render(values, { bare: true, namespace: elsewhere });
    const dryRun = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"];
    const { code, stdout, stderr } = await cluster.kubectl([...dryRun, "--filename=-"], text);
    // A dry run leaves no Tenant for the AuthPolicy of `helm test`.
    const warnings = stderr.split("\n").filter((line) => line !== "" && !line.includes("there is no Tenant"));
    expect({ code, warnings }).toEqual({ code: 0, warnings: [] });
    expect(stdout.split("\n").length).toBeGreaterThan(20);
  });

  test("is tried with each value of the chart", () => {
    const tried = new Set(SETS.flatMap(([, values]) => values.map((value) => value.split("=")[0])));
    expect(Object.keys(SWITCHED).filter((path) => !tried.has(path))).toEqual([]);
  });
});
