import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { CLUSTER_STARTS_WITHIN_MS, type Cluster, must, startCluster } from "./index.ts";
import { buildEcho } from "./install/images.ts";

const TESTING = join(import.meta.dirname, "testing");
const WHICH = process.env["E2E_CLUSTER"] || "local";
const NAMESPACE = "node-test";
const RESTRICTED = "node-test-restricted";
const SIDECAR = /^port 9090, from /;
const READY_WITHIN = "--timeout=120s";

describe("a real cluster", () => {
  let cluster: Cluster;
  const kubectl = (...args: string[]) => must(cluster.kubectl(["--namespace", NAMESPACE, ...args]));
  const ask = (url: string) => kubectl("exec", "client", "--", "echo", "get", url);
  const spec = async (field: string) => JSON.parse(await kubectl("get", "service", "app", "-o", `jsonpath=${field}`));

  beforeAll(async () => {
    cluster = await startCluster();
    const image = await buildEcho(cluster);
    const objects = (await readFile(join(TESTING, "echo.yaml"), "utf8")).replaceAll("IMAGE", image);
    await must(cluster.kubectl(["create", "namespace", NAMESPACE]));
    await must(cluster.kubectl(["--namespace", NAMESPACE, "apply", "--filename=-"], objects));
    await kubectl("rollout", "status", "deployment/app", READY_WITHIN);
    await kubectl("wait", "--for=condition=Ready", "pod/client", READY_WITHIN);
  }, CLUSTER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await cluster?.kubectl(["delete", "namespace", NAMESPACE, RESTRICTED, "--ignore-not-found", "--wait=false"]);
    await cluster?.stop();
  }, 180_000);

  test("leads from pod to pod by a Service's name, into the native sidecar", async () => {
    expect(await ask("http://app")).toMatch(SIDECAR);
    expect(await ask(`http://app.${NAMESPACE}.svc.cluster.local`)).toMatch(SIDECAR);
  });

  test("leads there by the pod's own address too, and shows it who asks", async () => {
    const address = (label: string) => kubectl("get", "pod", "-l", `app=${label}`, "-o", "jsonpath={..status.podIP}");
    const said = await ask(`http://${await address("app")}:8080`);
    expect(said).toMatch(SIDECAR);
    expect(said).toContain(`from ${await address("client")}:`);
  });

  test("does the same by IPv6, if the node has it", async () => {
    const [, v6] = await cluster.nodeAddresses();
    const addresses: string[] = await spec("{.spec.clusterIPs}");
    expect(addresses).toHaveLength(v6 === undefined ? 1 : 2);
    for (const address of addresses.slice(1)) expect(await ask(`http://[${address}]`)).toMatch(SIDECAR);
  });

  test("has NodePorts on the node's addresses and, on the node, on 127.0.0.1", async () => {
    const [{ nodePort }] = await spec("{.spec.ports}");
    for (const address of await cluster.nodeAddresses()) {
      const host = address.includes(":") ? `[${address}]` : address;
      expect(await fetch(`http://${host}:${nodePort}`).then((answer) => answer.text())).toMatch(SIDECAR);
    }
    if (WHICH === "current") return;
    const inside = cluster.onNode("curl", ["--silent", "--fail", `http://127.0.0.1:${nodePort}`]);
    expect(await must(inside)).toMatch(SIDECAR);
  });

  test("keeps what a pod writes into a claimed volume, and shows logs", async () => {
    await kubectl("exec", "client", "--", "sh", "-c", "printf kept >/disk/file");
    expect(await kubectl("exec", "client", "--", "cat", "/disk/file")).toBe("kept");
    expect(await kubectl("logs", "deployment/app", "--container=redirect")).toBe("");
  });

  test("refuses a pod that Pod Security forbids", async () => {
    await must(cluster.kubectl(["create", "namespace", RESTRICTED]));
    await must(cluster.kubectl(["label", "namespace", RESTRICTED, "pod-security.kubernetes.io/enforce=restricted"]));
    const refused = await cluster.kubectl(["--namespace", RESTRICTED, "run", "bad", "--image=bad"]);
    expect(refused.stderr).toContain('violates PodSecurity "restricted:latest"');
  });

  test("installs charts", async () => {
    const folder = await mkdtemp(join(tmpdir(), "heauth-chart-"));
    const chart = join(folder, "chart");
    await must(cluster.helm(["create", chart]));
    await must(cluster.helm(["install", "web", chart, "--namespace", NAMESPACE, "--set=replicaCount=0"]));
    expect(JSON.parse(await must(cluster.helm(["list", "--namespace", NAMESPACE, "--output=json"])))).toMatchObject([
      { name: "web", status: "deployed" },
    ]);
    await rm(folder, { recursive: true });
  });

  (WHICH === "local" ? test : test.skip)(
    "starts a kubelet again that was killed",
    async () => {
      const pid = async () => JSON.parse(await readFile(join(cluster.folder, "kubelet.pid"), "utf8")).pid;
      const before = await pid();
      await must(cluster.onNode("kill", ["-KILL", String(before)]));
      expect(await eventually(pid, (now) => now !== before, 60_000)).not.toBe(before);
      await kubectl("rollout", "restart", "deployment/app");
      await kubectl("rollout", "status", "deployment/app", READY_WITHIN);
    },
    120_000,
  );
});
