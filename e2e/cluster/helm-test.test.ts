import { beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { must } from "./must.ts";

const WITHIN_MS = 240_000;

let cluster: InstalledCluster;
beforeAll(async () => {
  cluster = await installedCluster();
});

test(
  "helm test logs in, makes allowed and denied requests, and takes away what it brought",
  async () => {
    const { namespace } = cluster;
    const tested = await cluster.helm(["test", "heauth", `--namespace=${namespace}`]);
    const log = await must(cluster.kubectl([`--namespace=${namespace}`, "logs", "pod/heauth-test"]));
    expect({ ...tested, log }).toMatchObject({ code: 0, stderr: "" });
    expect(log.match(/^ok: /gm)).toHaveLength(5);
    const own = `${namespace}-test`;
    const left = () => must(cluster.kubectl(["get", `namespace/${own}`, `tenant/${own}`, "--ignore-not-found"]));
    expect(await eventually(left, (each) => each === "", 60_000)).toBe("");
  },
  WITHIN_MS,
);

test("heauth's own pods are held to Pod Security's level restricted", async () => {
  const pod = JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "bad", namespace: cluster.namespace },
    spec: { containers: [{ name: "bad", image: "bad" }] },
  });
  const refused = await cluster.kubectl(["create", "--dry-run=server", "--filename=-"], pod);
  expect(refused.stderr).toContain('violates PodSecurity "restricted:latest"');
});
