import type { CertificateSet } from "../../../operator/certificates/certificate-set.ts";
import { issueAuthority, issueLeaf } from "../../../operator/certificates/issue.ts";
import type { Pair } from "../../../operator/certificates/pair.ts";
import { readStored, type SecretName, writeStored } from "../../../operator/certificates/stored-certificates.ts";
import { eventually } from "../../faults/eventually.ts";
import type { Cluster } from "../cluster.ts";

const DAY_MS = 86_400_000;
/** Of 90 and of 365 days: more than two thirds. */
const LEAF_AGE_MS = 61 * DAY_MS;
const AUTHORITY_AGE_MS = 245 * DAY_MS;
const WITHIN_MS = 120_000;

/** What a Secret holds, once it is as wanted. */
export async function storedSet(
  { client }: Cluster,
  secret: SecretName,
  wanted: (set: CertificateSet) => boolean = () => true,
): Promise<CertificateSet> {
  const { set } = await eventually(
    () => readStored(client, secret, AbortSignal.timeout(10_000)),
    (stored) => stored.set !== undefined && wanted(stored.set),
    WITHIN_MS,
  );
  if (set === undefined || !wanted(set))
    throw new Error(`the Secret ${secret.name} is not as wanted: ${notSecret(set)}`);
  return set;
}

/** Writes what comes out of what is stored, as nobody else changes it meanwhile. */
async function change(
  { client }: Cluster,
  secret: SecretName,
  to: (set: CertificateSet) => Promise<CertificateSet>,
): Promise<CertificateSet> {
  return await eventually(
    async () => {
      const signal = AbortSignal.timeout(10_000);
      const { set, resourceVersion } = await readStored(client, secret, signal);
      if (set === undefined) throw new Error(`the Secret ${secret.name} holds no certificates`);
      const changed = await to(set);
      await writeStored(client, secret, changed, { replica: "test", resourceVersion, signal });
      return changed;
    },
    () => true,
    WITHIN_MS,
  );
}

/** Another authority becomes the next one; as old as one that is due, or new. */
export async function makeNextKnown(cluster: Cluster, secret: SecretName, age: "old" | "new"): Promise<CertificateSet> {
  const next = await issueAuthority(Date.now() - (age === "old" ? AUTHORITY_AGE_MS : 0));
  return await change(cluster, secret, async (set) => ({ ...set, next }));
}

/** The next authority signs, as it does when everybody knows it for long enough; what it has signed is as old as what is due. */
export async function letNextSign(
  cluster: Cluster,
  secret: SecretName,
  names: readonly string[],
): Promise<CertificateSet> {
  return await change(cluster, secret, async ({ authority, leaf, next }) => {
    const former = { certificate: authority.certificate, leaf: leaf.certificate };
    return { authority: next as Pair, leaf: await agedLeaf(next as Pair, names), former };
  });
}

function agedLeaf(authority: Pair, names: readonly string[]): Promise<Pair> {
  return issueLeaf(authority, names, Date.now() - LEAF_AGE_MS);
}

function notSecret(set: CertificateSet | undefined): string {
  const { authority, next, former } = set ?? {};
  return [authority, next, former].map((each) => each?.certificate ?? "none").join("\n");
}
