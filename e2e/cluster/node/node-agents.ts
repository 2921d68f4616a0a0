import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Part } from "@heauth/program";
import { createServer, flagsOf } from "../../kube/process.ts";
import { CLUSTER_DOMAIN, DNS_SERVICE, NODE_NAME, POD_RANGES } from "./addresses.ts";
import { socketOf } from "./containerd.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { Ground } from "./ground.ts";

export function createKubelet({ folder, assets, addresses, cgroup, supervised }: Ground, plane: ControlPlane): Part {
  const [config, resolvConf] = [join(folder, "kubelet.json"), join(folder, "resolv.conf")];
  const server = createServer({
    name: "kubelet",
    folder,
    command: assets.program("kubelet"),
    args: () =>
      flagsOf({
        config,
        kubeconfig: plane.kubeconfigs.kubelet,
        "hostname-override": NODE_NAME,
        "node-ip": addresses.join(),
      }),
    ...supervised("kubelet"),
  });
  const settings = {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: plane.caFile } },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${socketOf(folder)}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    clusterDNS: [DNS_SERVICE],
    clusterDomain: CLUSTER_DOMAIN,
    // Pods see no name servers but the cluster's.
    resolvConf,
    // A developer's disk is fuller than a node's; and an image that was loaded could not be pulled again.
    evictionHard: { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    imageGCHighThresholdPercent: 100,
    serializeImagePulls: false,
  };
  return {
    ...server,
    async start() {
      await writeFile(resolvConf, "");
      await writeFile(config, JSON.stringify(settings, null, 2));
      await server.start();
    },
  };
}

export function createKubeProxy({ folder, assets, addresses, supervised }: Ground, plane: ControlPlane): Part {
  const config = join(folder, "kube-proxy.json");
  const server = createServer({
    name: "kube-proxy",
    folder,
    command: assets.program("kube-proxy"),
    args: () => flagsOf({ config }),
    ...supervised("kube-proxy"),
  });
  const settings = {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "iptables",
    clientConnection: { kubeconfig: plane.kubeconfigs.proxy },
    hostnameOverride: NODE_NAME,
    clusterCIDR: POD_RANGES.slice(0, addresses.length).join(),
    healthzBindAddress: "127.0.0.1:10256",
    metricsBindAddress: "127.0.0.1:10249",
    // The kernel lets only the machine's own network namespace set these.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };
  return {
    ...server,
    async start() {
      await writeFile(config, JSON.stringify(settings, null, 2));
      await server.start();
    },
  };
}
