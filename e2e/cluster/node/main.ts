// A program: one Kubernetes node with its control plane, in the namespaces that it was started in. It says READY when pods have
// names, and runs until it is killed; with it, as the first process of its process namespace, everything that it started.

import { Resolver } from "node:dns/promises";
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { pause } from "@heauth/program";
import { runKubectl } from "../../kube/kubectl.ts";
import { CLUSTER_DOMAIN, DNS_SERVICE, KUBERNETES_SERVICE } from "./addresses.ts";
import { nodeAssets } from "./assets.ts";
import { createCgroup } from "./cgroups.ts";
import { createContainerd, importImages } from "./containerd.ts";
import { startControlPlane } from "./control-plane.ts";
import { dnsObjects } from "./dns.ts";
import { createGround } from "./ground.ts";
import { mountNode } from "./mounts.ts";
import { nodeAddresses } from "./network.ts";
import { createKubelet, createKubeProxy } from "./node-agents.ts";
import { READY } from "./ready.ts";
import { storageObjects } from "./storage.ts";

const LOOK_AGAIN_MS = 100;
const folder = process.argv[2];
if (folder === undefined) throw new Error("the node's folder must be given");

process.env["TMPDIR"] = join(folder, "tmp");
mkdirSync(process.env["TMPDIR"]);
process.env["PATH"] += ":/usr/sbin:/sbin";
const assets = nodeAssets();
const within = AbortSignal.timeout(120_000);
mountNode(folder);
const cgroup = basename(folder);
createCgroup(cgroup);
const addresses = await nodeAddresses(within);
const ground = createGround({ folder, assets, addresses, cgroup });

async function startRuntime(): Promise<void> {
  await createContainerd(ground).start();
  for (const { file } of Object.values(assets.images)) await importImages(folder as string, file);
}

const [plane] = await Promise.all([startControlPlane(ground), startRuntime()]);
await Promise.all([createKubelet(ground, plane).start(), createKubeProxy(ground, plane).start(), applyAddons()]);
await untilNamesAnswer();
console.log(READY);

async function applyAddons(): Promise<void> {
  const items = [...dnsObjects(assets.images.coredns.name), ...storageObjects(folder as string)];
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const args = ["apply", "--server-side", "--filename=-"];
  const { code, stderr } = await runKubectl(assets.program("kubectl"), plane.kubeconfigs.admin, args, {
    input,
    home: folder as string,
  });
  if (code !== 0) throw new Error(`the cluster's own objects could not be applied: ${stderr}`);
}

/** This proves the runtime, the pod network, Services and DNS at once. */
async function untilNamesAnswer(): Promise<void> {
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([DNS_SERVICE]);
  for (;;) {
    const [address] = await resolver.resolve4(`kubernetes.default.svc.${CLUSTER_DOMAIN}`).catch(() => []);
    if (address === KUBERNETES_SERVICE) return;
    await pause(LOOK_AGAIN_MS, within);
  }
}
