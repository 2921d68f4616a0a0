import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "@heauth/program";
import { requestToken, type ServiceAccount, type TokenWish, writeKubeconfig } from "./access.ts";
import { kubeAssets } from "./assets.ts";
import { type AuditEvent, readAudit } from "./audit.ts";
import { createAuthority } from "./certificates.ts";
import { createCrds } from "./crds.ts";
import { createEtcd } from "./etcd.ts";
import { type KubectlResult, runKubectl } from "./kubectl.ts";
import { prepareServer } from "./server-process.ts";

export interface ApiServerOptions {
  /** Creates what is in crds/; true unless given. */
  readonly crds?: boolean;
  /** True unless given. */
  readonly auditLog?: boolean;
  /** Where data, logs and keys go, and stay. A temporary folder, removed at the end, unless given. */
  readonly folder?: string;
}

/**
 * A real etcd and kube-apiserver. There is no controller-manager and no kubelet: pods are objects that stay as they are written,
 * nobody collects what belongs to something deleted, and a namespace that is deleted stays `Terminating`.
 */
export interface ApiServer {
  readonly url: string;
  /** PEM file. */
  readonly caFile: string;
  /** Has etcd.log, kube-apiserver.log and audit.log. */
  readonly folder: string;
  /** Path of a kubeconfig of its own; of the cluster's admin unless given. A service account must exist; its token is good for an hour. */
  kubeconfig(user?: "admin" | { readonly serviceAccount: string; readonly namespace: string }): Promise<string>;
  /** As the cluster's admin. */
  kubectl(args: readonly string[], input?: string): Promise<KubectlResult>;
  token(serviceAccount: ServiceAccount, wish?: TokenWish): Promise<string>;
  /** What the API server was asked, and by whom. */
  audit(): Promise<AuditEvent[]>;
  /** Makes etcd forget every older revision. */
  compactEtcd(): Promise<void>;
  /** Ends kube-apiserver only; what etcd holds stays. */
  stopServer(): Promise<void>;
  /** Starts it again at the same address. */
  startServer(): Promise<void>;
  /** SIGSTOP: connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /** Ends everything and removes the folder if it is a temporary one. Safe to call twice. */
  stop(): Promise<void>;
}

const STOP_WITHIN_MS = 5_000;

/** Starts them on free ports; when that fails, nothing is left. Throws when they are not on this machine. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const assets = kubeAssets();
  if (assets === undefined) throw new Error("there is no kube-apiserver on this machine; setup/kube.sh builds one");
  if (options.folder !== undefined) await mkdir(options.folder, { recursive: true });
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "heauth-kube-")));
  const authority = await createAuthority();
  const etcd = await createEtcd(assets.etcd, folder);
  const server = await prepareServer(assets.kubeApiserver, folder, authority, {
    etcdUrl: etcd.url,
    auditLog: options.auditLog ?? true,
  });
  let running: Child | undefined;

  const signal = (name: NodeJS.Signals) => {
    const pid = running?.pid();
    if (pid === undefined) throw new Error("kube-apiserver does not run");
    process.kill(pid, name);
  };

  async function startServer(): Promise<void> {
    if (running !== undefined) throw new Error("kube-apiserver runs already");
    const child = server.process();
    await child.start();
    running = child;
  }

  async function stopServer(): Promise<void> {
    const child = running;
    running = undefined;
    if (child?.pid() !== undefined) process.kill(child.pid() as number, "SIGCONT");
    await child?.stop(AbortSignal.timeout(STOP_WITHIN_MS));
  }

  async function stop(): Promise<void> {
    await stopServer();
    await etcd.stop(AbortSignal.timeout(STOP_WITHIN_MS));
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  const admin = { user: "admin", token: server.adminToken };
  try {
    await etcd.start();
    await startServer();
    if (options.crds ?? true) {
      await createCrds({ url: server.url, ca: authority.certificate, token: server.adminToken });
    }
    const adminConfig = await writeKubeconfig(folder, server, admin);
    return {
      url: server.url,
      caFile: server.caFile,
      folder,
      kubeconfig: async (user = "admin") => {
        if (user === "admin") return await writeKubeconfig(folder, server, admin);
        const { serviceAccount: name, namespace } = user;
        const token = await requestToken(server, { namespace, name });
        return await writeKubeconfig(folder, server, { user: name, token, namespace });
      },
      kubectl: (args, input) => runKubectl(assets.kubectl, adminConfig, args, { home: folder, input: input ?? "" }),
      token: (serviceAccount, wish) => requestToken(server, serviceAccount, wish),
      audit: () => readAudit(server.auditFile),
      compactEtcd: etcd.compact,
      stopServer,
      startServer,
      pause: () => signal("SIGSTOP"),
      resume: () => signal("SIGCONT"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
