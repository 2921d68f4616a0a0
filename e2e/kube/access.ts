import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ClusterClient, SERVICE_ACCOUNTS } from "@heauth/program/kubernetes";

/** Where an API server is reached: directly, or through a proxy. */
export interface Door {
  readonly url: string;
  /** PEM file. */
  readonly caFile: string;
}

export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

export interface TokenWish {
  /** The API server's own unless given. */
  readonly audience?: string;
  /** An hour unless given; the API server gives no less than ten minutes. */
  readonly seconds?: number;
  /** A pod whose `serviceAccountName` is the same. */
  readonly boundPod?: { readonly name: string; readonly uid: string };
}

/** The cluster's admin, or a service account, which must exist. */
export type KubeUser = "admin" | { readonly serviceAccount: string; readonly namespace: string };

/**
 * A token by the TokenRequest API, as a kubelet would ask for it. The API server remembers for 10 s that a token was good: one whose
 * pod is deleted passes a review for that long.
 */
export async function requestToken(
  client: ClusterClient,
  serviceAccount: ServiceAccount,
  { audience, seconds = 3600, boundPod }: TokenWish = {},
): Promise<string> {
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      audiences: audience === undefined ? [] : [audience],
      expirationSeconds: seconds,
      ...(boundPod === undefined ? {} : { boundObjectRef: { apiVersion: "v1", kind: "Pod", ...boundPod } }),
    },
  };
  type Answer = { readonly status: { readonly token: string } };
  const { status } = await client.createAt<Answer>(SERVICE_ACCOUNTS, serviceAccount, "token", request);
  return status.token;
}

/** Writes a kubeconfig into a folder of its own below `folder`; answers its path. */
export async function writeKubeconfig(
  folder: string,
  { url, caFile }: Door,
  { user, token, namespace }: { readonly user: string; readonly token: string; readonly namespace?: string },
): Promise<string> {
  const file = join(await mkdtemp(join(folder, "kubeconfig-")), "config");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority": caFile } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user, ...(namespace === undefined ? {} : { namespace }) } }],
    "current-context": "test",
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}
