import { choosePolicy, selects } from "@heauth/core/resources";
import type { PolicyAck, StoredPolicy, StoredSelector } from "@heauth/store";
import type { ObservedPod } from "../../source/source.ts";
import { type Condition, condition, type ResourceStatus } from "../../status/condition.ts";

/** Messages name so many pods; the counts are of all. */
const MOST_NAMED = 5;

export interface CoverageInput {
  /** The policy in force. */
  readonly policy: Pick<StoredPolicy, "namespace" | "name" | "digest">;
  /** The pods that it selects; none that are being deleted. */
  readonly pods: readonly ObservedPod[];
  /** Every policy in force in the namespace, this one too. */
  readonly rivals: readonly StoredSelector[];
  readonly acks: readonly PolicyAck[];
}

export interface Coverage {
  readonly pods: NonNullable<ResourceStatus["pods"]>;
  readonly enforced: Condition;
  readonly conflicted: Condition;
}

/** The pods of these that the selector selects; those that are on their way out need no protection any more. */
export function selectedPods(pods: readonly ObservedPod[], selector: StoredSelector["selector"]): ObservedPod[] {
  return pods.filter(({ labels, deleting }) => !deleting && selects(selector, labels));
}

/** How far a policy has come: which of the pods that it selects go by it, and why the others don't. */
export function coverageOf({ policy, pods, rivals, acks }: CoverageInput): Coverage {
  const lost = new Map<string, string>();
  for (const { name, labels } of pods) {
    const { chosen } = choosePolicy(rivals, labels);
    if (chosen !== undefined && chosen.name !== policy.name) lost.set(name, `${chosen.namespace}/${chosen.name}`);
  }
  const ackOf = newestWords(acks, pods);
  const own = pods.filter(({ name }) => !lost.has(name));
  const bare = pods.filter(({ injected }) => !injected);
  const synced = own.filter((pod) => pod.injected && isSynced(ackOf.get(pod.name), policy.digest));
  const counts = { selected: pods.length, injected: pods.length - bare.length, synced: synced.length };
  return { pods: counts, enforced: enforcement(), conflicted: conflict(lost) };

  function enforcement(): Condition {
    const no = (reason: string, message: string) => condition("Enforced", "False", reason, message);
    if (pods.length === 0) return condition("Enforced", "True", "NoPods", "it selects no pod");
    const unprotected = withoutSidecar(pods);
    if (unprotected !== undefined) return unprotected;
    const answered = own.flatMap((pod) => {
      const ack = ackOf.get(pod.name);
      return ack === undefined || ack.digest !== policy.digest || ack.enforced ? [] : [{ ...ack, name: pod.name }];
    });
    const old = answered.filter(({ missingFeatures }) => missingFeatures.length > 0);
    if (old.length > 0) {
      const missing = [...new Set(old.flatMap(({ missingFeatures }) => missingFeatures))].sort().join(", ");
      return no("SidecarTooOld", `sidecars that lack ${missing}: ${namesOf(old)}`);
    }
    const [refused] = answered;
    if (refused !== undefined) return no("SidecarRefused", `${namesOf(answered)}: ${refused.message}`);
    if (lost.size > 0) return no("Conflicted", "other policies protect some of its pods: see Conflicted");
    const waiting = own.filter((pod) => !synced.includes(pod));
    if (waiting.length > 0)
      return no("Syncing", `not yet at ${waiting.length} of ${pods.length} pods: ${namesOf(waiting)}`);
    return condition("Enforced", "True", "Enforced", `at ${pods.length} ${pods.length === 1 ? "pod" : "pods"}`);
  }
}

/** What a policy that is not in force comes to: sidecars deny, and where there is none nobody does. */
export function noCoverage(pods: readonly ObservedPod[], reason: string): Coverage {
  const injected = pods.filter((pod) => pod.injected).length;
  return {
    pods: { selected: pods.length, injected, synced: 0 },
    enforced:
      withoutSidecar(pods) ??
      condition("Enforced", "False", reason, "it is not in force: the pods that it selects deny"),
    conflicted: conflict(new Map()),
  };
}

/** The condition of a policy that selects pods which nothing protects, whatever else is to be said of it; undefined where it selects none. */
export function withoutSidecar(pods: readonly ObservedPod[]): Condition | undefined {
  const bare = pods.filter(({ injected }) => !injected);
  if (bare.length === 0) return undefined;
  return condition("Enforced", "False", "PodsNotInjected", `without heauth's sidecar: ${namesOf(bare)}`);
}

function conflict(lost: ReadonlyMap<string, string>): Condition {
  if (lost.size === 0) return condition("Conflicted", "False", "NoConflict");
  const winners = Map.groupBy(lost, ([, winner]) => winner);
  const message = [...winners]
    .map(([winner, entries]) => `${winner} is older and protects ${namesOf(entries.map(([name]) => ({ name })))}`)
    .join("; ");
  return condition("Conflicted", "True", "SelectedByAnother", message);
}

/** What each pod's sidecar said last; the words of an earlier pod of the same name are not its own. */
function newestWords(acks: readonly PolicyAck[], pods: readonly ObservedPod[]): ReadonlyMap<string, PolicyAck> {
  const byPod = new Map(acks.map((ack) => [ack.pod, ack]));
  return new Map(
    pods.flatMap(({ namespace, name, uid }) => {
      const ack = byPod.get(`${namespace}/${name}`);
      return ack === undefined || (ack.podUid !== undefined && ack.podUid !== uid) ? [] : [[name, ack] as const];
    }),
  );
}

function isSynced(ack: PolicyAck | undefined, digest: string): boolean {
  return ack !== undefined && ack.digest === digest && ack.enforced;
}

function namesOf(pods: readonly { readonly name: string }[]): string {
  const names = pods.map(({ name }) => name).sort();
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
