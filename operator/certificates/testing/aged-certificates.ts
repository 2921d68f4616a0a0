import { createBackoff, retry } from "@heauth/program";
import { type ClusterClient, isClusterError } from "@heauth/program/kubernetes";
import type { CertificateSet } from "../certificate-set.ts";
import { issueAuthority, issueLeaf } from "../issue.ts";
import { readStored, type SecretName, writeStored } from "../stored-certificates.ts";

const DAY_MS = 86_400_000;
/** Of 90 and of 365 days: more than two thirds. */
const LEAF_AGE_MS = 61 * DAY_MS;
const AUTHORITY_AGE_MS = 245 * DAY_MS;
const WITHIN_MS = 150_000;
const BACKOFF = { firstMs: 50, maxMs: 500 };

/** What a Secret holds, once it is as wanted; rejects when it is not for long. */
export async function storedSet(
  client: ClusterClient,
  secret: SecretName,
  wanted: (set: CertificateSet) => boolean,
): Promise<CertificateSet> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  const once = async () => {
    const { set } = await readStored(client, secret, signal);
    if (set === undefined || !wanted(set)) throw new Error(`the Secret ${secret.name} is not as wanted`);
    return set;
  };
  return await retry(once, { backoff: createBackoff(BACKOFF), signal });
}

/** Another authority becomes the next one: as old as one that is due, or new. Answers what is stored then. */
export async function makeNextKnown(
  client: ClusterClient,
  secret: SecretName,
  age: "old" | "new",
): Promise<CertificateSet> {
  const next = await issueAuthority(Date.now() - (age === "old" ? AUTHORITY_AGE_MS : 0));
  return await change(client, secret, async (set) => ({ ...set, next }));
}

/** The next authority signs, as it does when it has been known for long enough; what it signs is as old as what is due. */
export async function letNextSign(
  client: ClusterClient,
  secret: SecretName,
  names: readonly string[],
): Promise<CertificateSet> {
  return await change(client, secret, async ({ authority, leaf, next }) => {
    if (next === undefined) throw new Error(`the Secret ${secret.name} has no next authority`);
    const former = { certificate: authority.certificate, leaf: leaf.certificate };
    return { authority: next, leaf: await issueLeaf(next, names, Date.now() - LEAF_AGE_MS), former };
  });
}

/** From what is stored, whoever else writes meanwhile. */
async function change(
  client: ClusterClient,
  secret: SecretName,
  to: (set: CertificateSet) => Promise<CertificateSet>,
): Promise<CertificateSet> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  const once = async () => {
    const { set, resourceVersion } = await readStored(client, secret, signal);
    if (set === undefined) throw new Error(`the Secret ${secret.name} holds no certificates`);
    const changed = await to(set);
    await writeStored(client, secret, changed, { replica: "test", resourceVersion, signal });
    return changed;
  };
  const retryable = (error: unknown) => isClusterError(error, "Conflict");
  return await retry(once, { backoff: createBackoff(BACKOFF), signal, retryable });
}
