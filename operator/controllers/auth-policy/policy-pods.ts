import { isDeepStrictEqual } from "node:util";
import { type AuthPolicy, selects } from "@heauth/core/resources";
import { type Database, dropPolicyAcks, policyAcks, type StoredPolicy, selectorsIn } from "@heauth/store";
import type { Observed, ObservedPod, ResourceKey, ResourceSource } from "../../source/source.ts";
import { condition } from "../../status/condition.ts";
import { type Coverage, coverageOf, noCoverage, selectedPods, withoutSidecar } from "./coverage.ts";

export interface PolicyPodsParts {
  readonly database: Database;
  readonly source: Pick<ResourceSource, "pods">;
}

/** What is in force of a policy. */
export interface Standing {
  readonly stored: StoredPolicy | undefined;
  /** Why what is written is not what is in force; absent where it is. */
  readonly behind?: { readonly reason: string; readonly message: string };
}

/** What a pod that is gone has said is forgotten after so long. */
const FORGET_ACKS_AFTER_MS = 600_000;

/** Undefined where there are no pods to be known. */
export async function cover(
  { database, source }: PolicyPodsParts,
  namespace: string,
  { inForce }: Observed<AuthPolicy>,
  { stored, behind }: Standing,
): Promise<Coverage | undefined> {
  const all = source.pods?.of(namespace);
  if (all === undefined) return undefined;
  if (stored === undefined) {
    const pods = inForce === undefined ? [] : selectedPods(all, inForce.spec.selector);
    return noCoverage(pods, behind?.reason ?? "NotInForce");
  }
  const pods = selectedPods(all, stored.selector);
  const { rivals, acks } =
    pods.length === 0
      ? { rivals: [], acks: [] }
      : await database.read(async (tx) => ({
          rivals: await selectorsIn(tx, stored.namespace),
          acks: await policyAcks(tx, stored.tenantId, stored),
        }));
  await forgetGonePods(
    database,
    stored,
    all,
    acks.map(({ pod }) => pod),
  );
  const coverage = coverageOf({ policy: stored, pods, rivals, acks });
  if (behind === undefined) return coverage;
  return {
    ...coverage,
    enforced: withoutSidecar(pods) ?? condition("Enforced", "False", behind.reason, behind.message),
  };
}

async function forgetGonePods(
  database: Database,
  stored: StoredPolicy,
  all: readonly ObservedPod[],
  acked: readonly string[],
): Promise<void> {
  const names = all.map(({ namespace, name }) => `${namespace}/${name}`);
  const known = new Set(names);
  if (acked.every((pod) => known.has(pod))) return;
  await database.tenantTransaction(stored.tenantId, (tx) =>
    dropPolicyAcks(tx, stored.tenantId, stored, names, FORGET_ACKS_AFTER_MS),
  );
}

/** Whose pods may be another's now: policies that select a pod which this one selects, or did. */
export async function rivalsOf(
  { database, source }: PolicyPodsParts,
  { namespace, name }: ResourceKey,
  before: StoredPolicy | undefined,
  now: StoredPolicy | undefined,
): Promise<ResourceKey[]> {
  const turnOf = (policy: StoredPolicy | undefined) => policy && [policy.selector, policy.createdAtMs];
  if (source.pods === undefined || isDeepStrictEqual(turnOf(before), turnOf(now))) return [];
  const pods = source.pods
    .of(namespace)
    .filter(({ labels }) => [before, now].some((policy) => policy !== undefined && selects(policy.selector, labels)));
  if (pods.length === 0) return [];
  const others = await database.read((tx) => selectorsIn(tx, namespace));
  return others
    .filter((other) => other.name !== name && pods.some(({ labels }) => selects(other.selector, labels)))
    .map((other) => ({ kind: "AuthPolicy", namespace, name: other.name }));
}
