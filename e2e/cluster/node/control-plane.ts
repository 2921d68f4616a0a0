import { randomBytes } from "node:crypto";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeKubeconfig } from "../../kube/access.ts";
import { createAuthority } from "../../kube/certificates.ts";
import { createEtcd } from "../../kube/etcd.ts";
import { createServer, flagsOf } from "../../kube/process.ts";
import { prepareServer } from "../../kube/server-process.ts";
import { CLUSTER_DOMAIN, KUBERNETES_SERVICE, NODE_NAME, POD_RANGES, SERVICE_RANGES } from "./addresses.ts";
import type { Ground } from "./ground.ts";

/** Users of the bootstrap roles, as kubeadm's certificates name them. */
const USERS = {
  manager: { name: "system:kube-controller-manager", groups: [] },
  scheduler: { name: "system:kube-scheduler", groups: [] },
  proxy: { name: "system:kube-proxy", groups: [] },
  kubelet: { name: `system:node:${NODE_NAME}`, groups: ["system:nodes"] },
} as const;

export interface ControlPlane {
  /** PEM file; also the authority of the clients that kubelets trust. */
  readonly caFile: string;
  readonly kubeconfigs: Readonly<Record<keyof typeof USERS | "admin", string>>;
}

/** Starts etcd, the API server, the controller-manager and the scheduler; they end with us. */
export async function startControlPlane(ground: Ground): Promise<ControlPlane> {
  const { folder, assets, addresses, supervised } = ground;
  const [address = ""] = addresses;
  const authority = await createAuthority();
  const tokens = Object.entries(USERS).map(([key, user]) => ({
    key,
    ...user,
    token: randomBytes(24).toString("base64url"),
  }));
  const etcd = await createEtcd(assets.program("etcd"), folder);
  const kubeletClient = await authority.issue("kube-apiserver", { group: "system:masters" });
  const [clientCertificate, clientKey] = [join(folder, "kubelet-client.crt"), join(folder, "kubelet-client.key")];
  await writeFile(clientCertificate, kubeletClient.certificate);
  await writeFile(clientKey, kubeletClient.key, { mode: 0o600 });
  const place = await prepareServer(assets.program("kube-apiserver"), folder, authority, {
    etcdUrl: etcd.url,
    auditLog: true,
    address,
    use: {
      names: ["kubernetes", "kubernetes.default", "kubernetes.default.svc", `kubernetes.default.svc.${CLUSTER_DOMAIN}`],
      addresses: [...addresses, KUBERNETES_SERVICE],
    },
    users: tokens,
    supervision: supervised("kube-apiserver"),
    flags: {
      "service-cluster-ip-range": SERVICE_RANGES.slice(0, addresses.length).join(),
      "enable-admission-plugins": "NodeRestriction",
      "disable-admission-plugins": undefined,
      "endpoint-reconciler-type": undefined,
      "kubelet-client-certificate": clientCertificate,
      "kubelet-client-key": clientKey,
      "kubelet-preferred-address-types": "InternalIP",
    },
  });
  const config = (user: string, token: string) => writeKubeconfig(folder, place, { user, token });
  const admin = await config("admin", place.adminToken);
  await copyFile(admin, join(folder, "admin.kubeconfig"));
  const configs = await Promise.all(tokens.map(async ({ key, name, token }) => [key, await config(name, token)]));
  const kubeconfigs = { ...Object.fromEntries(configs), admin } as ControlPlane["kubeconfigs"];

  await etcd.start();
  await place.process().start();
  await manager(ground, kubeconfigs.manager, place).start();
  await scheduler(ground, kubeconfigs.scheduler).start();
  return { caFile: place.caFile, kubeconfigs };
}

function manager(
  { folder, assets, addresses, supervised }: Ground,
  kubeconfig: string,
  { caFile, accountsKeyFile }: { readonly caFile: string; readonly accountsKeyFile: string },
) {
  return createServer({
    name: "kube-controller-manager",
    folder,
    command: assets.program("kube-controller-manager"),
    args: () =>
      flagsOf({
        kubeconfig,
        "bind-address": "127.0.0.1",
        "leader-elect": "false",
        "cluster-cidr": POD_RANGES.slice(0, addresses.length).join(),
        "service-cluster-ip-range": SERVICE_RANGES.slice(0, addresses.length).join(),
        // The only node has them all.
        "allocate-node-cidrs": "false",
        "root-ca-file": caFile,
        "service-account-private-key-file": accountsKeyFile,
        "use-service-account-credentials": "true",
      }),
    ...supervised("kube-controller-manager"),
  });
}

function scheduler({ folder, assets, supervised }: Ground, kubeconfig: string) {
  return createServer({
    name: "kube-scheduler",
    folder,
    command: assets.program("kube-scheduler"),
    args: () => flagsOf({ kubeconfig, "bind-address": "127.0.0.1", "leader-elect": "false" }),
    ...supervised("kube-scheduler"),
  });
}
