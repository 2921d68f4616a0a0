import type { Child } from "@heauth/program";
import { type ClusterClient, openCluster } from "@heauth/program/kubernetes";
import { standStill } from "../faults/standing-still.ts";
import {
  type Door,
  type KubeUser,
  requestToken,
  type ServiceAccount,
  type TokenWish,
  writeKubeconfig,
} from "./access.ts";
import { kubeAssets } from "./assets.ts";
import { type AuditEvent, readAudit } from "./audit.ts";
import { createAuthority } from "./certificates.ts";
import { createCrds } from "./crds.ts";
import { createEtcd } from "./etcd.ts";
import { openFolder } from "./folder.ts";
import { type KubectlResult, runKubectl } from "./kubectl.ts";
import { type ApiProxy, startProxy } from "./proxy.ts";
import { prepareServer } from "./server-process.ts";

export interface ApiServerOptions {
  /** Creates what is in crds/; true unless given. */
  readonly crds?: boolean;
  /** True unless given. */
  readonly auditLog?: boolean;
  /**
   * Pods get their service account's token as in a cluster, and the account must be there; false unless given, because nobody makes
   * the default accounts.
   */
  readonly podAccounts?: boolean;
  /** Where data, logs and keys go, and stay. A temporary folder, removed at the end, unless given. */
  readonly folder?: string;
}

/**
 * A real etcd and kube-apiserver. There is no controller-manager and no kubelet: pods are objects that stay as they are written,
 * nobody collects what belongs to something deleted, and a namespace that is deleted stays `Terminating`.
 */
export interface ApiServer extends Door {
  /** Has etcd.log, kube-apiserver.log and audit.log. */
  readonly folder: string;
  /** The cluster's admin. */
  readonly client: ClusterClient;
  /** Path of a kubeconfig of its own; the admin's unless given. A service account's token is good for an hour. */
  kubeconfig(user?: KubeUser): Promise<string>;
  /** As the cluster's admin. */
  kubectl(args: readonly string[], input?: string): Promise<KubectlResult>;
  token(serviceAccount: ServiceAccount, wish?: TokenWish): Promise<string>;
  /** What the API server was asked, and by whom; watches come when they begin and when they end. */
  audit(): Promise<AuditEvent[]>;
  /**
   * Makes etcd forget every older revision. The API server's watch cache still knows the last of them until it is started again:
   * a watch from an older one is `Gone` after `compactEtcd()`, `stopServer()`, `startServer()`.
   */
  compactEtcd(): Promise<void>;
  /** A second door, which can be shut, with kubeconfigs that lead through it. Ends with the API server. */
  proxied(): Promise<ApiProxy & { kubeconfig(user?: KubeUser): Promise<string> }>;
  /** Ends kube-apiserver only; what etcd holds stays. */
  stopServer(): Promise<void>;
  /** Starts it again at the same address. */
  startServer(): Promise<void>;
  /** SIGSTOP: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Process ids of etcd and kube-apiserver, as far as they run. */
  pids(): readonly number[];
  /** Ends everything and removes the folder if it is a temporary one. Safe to call twice. */
  stop(): Promise<void>;
}

const STOP_WITHIN_MS = 5_000;

/** Starts them on free ports; when that fails, nothing is left. Throws when they are not on this machine. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const assets = kubeAssets();
  if (assets === undefined) throw new Error("there is no kube-apiserver on this machine; setup/kube.sh builds one");
  const { path: folder, remove } = await openFolder(options.folder);
  const authority = await createAuthority();
  const etcd = await createEtcd(assets.etcd, folder);
  const place = await prepareServer(assets.kubeApiserver, folder, authority, {
    etcdUrl: etcd.url,
    auditLog: options.auditLog ?? true,
    ...(options.podAccounts && { flags: { "disable-admission-plugins": undefined } }),
  });
  const adminConfig = await writeKubeconfig(folder, place, { user: "admin", token: place.adminToken });
  const { client } = await openCluster({ kubeconfig: adminConfig });
  const proxies: ApiProxy[] = [];
  let running: Child | undefined;

  async function kubeconfig(door: Door, user: KubeUser = "admin"): Promise<string> {
    if (user === "admin") return await writeKubeconfig(folder, door, { user, token: place.adminToken });
    const { serviceAccount: name, namespace } = user;
    const token = await requestToken(client, { namespace, name });
    return await writeKubeconfig(folder, door, { user: name, token, namespace });
  }

  function pidOfServer(): number {
    const pid = running?.pid();
    if (pid === undefined) throw new Error("kube-apiserver does not run");
    return pid;
  }

  async function startServer(): Promise<void> {
    if (running !== undefined) throw new Error("kube-apiserver runs already");
    running = place.process();
    await running.start();
  }

  async function stopServer(deadline = AbortSignal.timeout(STOP_WITHIN_MS)): Promise<void> {
    const child = running;
    if (child?.pid() !== undefined) process.kill(pidOfServer(), "SIGCONT");
    running = undefined;
    await child?.stop(deadline);
  }

  async function stop(): Promise<void> {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    // What goes with its folder needs no orderly end.
    const deadline = options.folder === undefined ? AbortSignal.abort() : AbortSignal.timeout(STOP_WITHIN_MS);
    await stopServer(deadline);
    await etcd.stop(deadline);
    await remove();
  }

  try {
    await etcd.start();
    await startServer();
    if (options.crds ?? true) await createCrds(client);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: place.url,
    caFile: place.caFile,
    folder,
    client,
    kubeconfig: (user) => kubeconfig(place, user),
    kubectl: (args, input = "") => runKubectl(assets.kubectl, adminConfig, args, { home: folder, input }),
    token: (serviceAccount, wish) => requestToken(client, serviceAccount, wish),
    audit: () => readAudit(place.auditFile),
    compactEtcd: etcd.compact,
    async proxied() {
      const proxy = await startProxy({ url: place.url, ca: authority.certificate }, await authority.issue("proxy"));
      proxies.push(proxy);
      return { ...proxy, kubeconfig: (user) => kubeconfig({ url: proxy.url, caFile: place.caFile }, user) };
    },
    stopServer: () => stopServer(),
    startServer,
    pause: () => standStill(pidOfServer()),
    resume() {
      process.kill(pidOfServer(), "SIGCONT");
    },
    pids: () => [etcd.pid(), running?.pid()].filter((pid) => pid !== undefined),
    stop,
  };
}
