import { type ClusterClient, isClusterError, type KubeObject, SECRETS } from "@heauth/program/kubernetes";
import { type CertificateSet, fromSecretData, toSecretData } from "./certificate-set.ts";

interface Secret extends KubeObject {
  data?: Record<string, string>;
}

/** What the Secret held when it was read. */
export interface StoredSet {
  /** Undefined: there is none that can be used. */
  readonly set: CertificateSet | undefined;
  /** Undefined: there is no Secret. */
  readonly resourceVersion: string | undefined;
}

export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

export async function readStored(client: ClusterClient, name: SecretName, signal: AbortSignal): Promise<StoredSet> {
  try {
    const { data, metadata } = await client.get<Secret>(SECRETS, name, { signal });
    return { set: fromSecretData(data), resourceVersion: metadata.resourceVersion };
  } catch (error) {
    if (!isClusterError(error, "NotFound")) throw error;
    return { set: undefined, resourceVersion: undefined };
  }
}

/**
 * Writes the set if the Secret is still as it was read.
 * @param replica who writes; no two may have the same name
 * @throws ClusterError Conflict when somebody else was faster
 */
export async function writeStored(
  client: ClusterClient,
  { namespace, name }: SecretName,
  set: CertificateSet,
  { replica, resourceVersion, signal }: { replica: string; resourceVersion: string | undefined; signal: AbortSignal },
): Promise<void> {
  const data = toSecretData(set);
  if (resourceVersion !== undefined) {
    await client.patch(SECRETS, { namespace, name }, { metadata: { resourceVersion }, data }, {}, { signal });
    return;
  }
  // An apply, because the right to create can be bound to a name for it, unlike for a POST; each replica has a field manager of its
  // own and takes over nothing, so that the second one of two meets a conflict.
  const present = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null)) as Secret["data"];
  const secret = { metadata: { namespace, name }, type: "kubernetes.io/tls", data: present };
  await client.apply<Secret & { type: string }>(
    SECRETS,
    secret as Secret & { type: string },
    { fieldManager: `heauth-certificates-${replica}`, force: false },
    { signal },
  );
}
