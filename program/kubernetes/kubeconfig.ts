import { dirname, resolve } from "node:path";
// Only these modules: the package's front door loads every generated API, 80 MB and 0.3 s for nothing.
import {
  type Cluster,
  type Context,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from "@kubernetes/client-node/dist/config_types.js";
import { parse } from "yaml";
import { asError } from "../errors.ts";
import { type Access, freshFile } from "./access.ts";
import { ClusterError } from "./errors.ts";
import { login } from "./login.ts";
import { material } from "./material.ts";

/** A kubeconfig's current context: its cluster, its user, and where relative paths begin. */
interface Chosen {
  readonly cluster: Cluster;
  readonly user: User & { readonly tokenFile: string | undefined };
  readonly namespace: string | undefined;
}

/** The way that a kubeconfig's current context says. */
export async function fromKubeconfig(file: string): Promise<Access> {
  const { cluster, user, namespace } = chosenIn(file, await documentIn(file));
  const at = (path: string) => resolve(dirname(file), path);
  const ca = material(cluster.caFile ? at(cluster.caFile) : undefined, cluster.caData);
  const signIn = login(user, at, cluster, (problem) => invalid(file, problem));

  return {
    server: cluster.server,
    namespace,
    async credentials() {
      const [authority, { headers, tls }] = await Promise.all([ca(), signIn.credentials()]);
      const servername = cluster.tlsServerName;
      return { headers, tls: { ...(servername && { servername }), ...(authority && { ca: authority }), ...tls } };
    },
    forget: () => signIn.forget(),
  };
}

interface Kubeconfig {
  clusters?: unknown;
  contexts?: unknown;
  users?: { name?: string; user?: { tokenFile?: string } }[];
  "current-context"?: string;
}

async function documentIn(file: string): Promise<Kubeconfig> {
  const text = (await freshFile(file)).toString();
  let document: unknown;
  try {
    document = parse(text);
  } catch {
    // The parser's message quotes the line, which may be a token's.
    throw invalid(file, "it is not YAML");
  }
  if (typeof document !== "object" || document === null) throw invalid(file, "it is empty");
  return document;
}

function chosenIn(file: string, document: Kubeconfig): Chosen {
  const { clusters, contexts, users } = entriesIn(file, document);
  const current = document["current-context"];
  const context = named(contexts, current);
  if (context === undefined)
    throw invalid(file, `it has no context ${JSON.stringify(current ?? "")} (current-context)`);
  const cluster = named(clusters, context.cluster);
  const user = named(users, context.user);
  if (cluster === undefined) throw invalid(file, `it has no cluster ${JSON.stringify(context.cluster)}`);
  if (user === undefined) throw invalid(file, `it has no user ${JSON.stringify(context.user)}`);
  checkServer(file, cluster);
  if (cluster.proxyUrl) throw invalid(file, "proxy-url is not supported");
  const tokenFile = document.users?.find(({ name }) => name === user.name)?.user?.tokenFile;
  return { cluster, user: { ...user, tokenFile }, namespace: context.namespace || undefined };
}

/** What we are told decides who is let in, and what we send is a credential: both need a server that proves itself. */
function checkServer(file: string, { server, skipTLSVerify }: Cluster): void {
  const isUrl = /^https?:\/\//.test(server) && URL.canParse(server);
  if (!isUrl) throw invalid(file, `its server ${server} is not a URL`);
  const { protocol, hostname } = new URL(server);
  if (protocol === "http:" && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) {
    throw invalid(file, `its server ${server} is not https; http is for loopback only`);
  }
  if (skipTLSVerify) {
    throw invalid(file, "insecure-skip-tls-verify is not supported; give the server's certificate-authority");
  }
}

function entriesIn(file: string, document: Kubeconfig): { clusters: Cluster[]; contexts: Context[]; users: User[] } {
  try {
    return {
      clusters: newClusters(document.clusters),
      contexts: newContexts(document.contexts),
      users: newUsers(document.users),
    };
  } catch (error) {
    throw invalid(file, asError(error).message);
  }
}

function named<T extends { name: string }>(entries: T[], name: string | undefined): T | undefined {
  return entries.find((entry) => entry.name === name);
}

function invalid(file: string, problem: string): ClusterError {
  return new ClusterError("KubeconfigInvalid", `${file}: ${problem}`);
}
