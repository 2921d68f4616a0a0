import { isDeepStrictEqual } from "node:util";
import { compile } from "@heauth/core/policy";
import { type AuthPolicy, type FieldProblem, selects } from "@heauth/core/resources";
import {
  type Database,
  deletePolicy,
  dropPolicyAcks,
  policiesNamed,
  policyAcks,
  putPolicy,
  type Recorder,
  type StoredPolicy,
  selectorsIn,
} from "@heauth/store";
import { describeSourceProblem } from "../../source/describe.ts";
import type { Observed, ObservedPod, ResourceKey, ResourceSource, SourceProblem } from "../../source/source.ts";
import { type Condition, condition, type StatusSink } from "../../status/condition.ts";
import { INVALID, OK, type Reconciled } from "../outcome.ts";
import type { PolicyIndex } from "../policy-index.ts";
import { type Coverage, coverageOf, noCoverage, selectedPods } from "./coverage.ts";
import { findTenant } from "./find-tenant.ts";

export interface AuthPolicyControllerOptions {
  readonly database: Database;
  /** Writes `policy.put` and `policy.delete`. */
  readonly recorder: Recorder;
  readonly source: Pick<ResourceSource, "get" | "namespaceLabels" | "pods" | "incomplete">;
  readonly status: StatusSink;
  readonly policies: PolicyIndex;
  /** `iss` of identity's tokens. */
  readonly issuer: string;
}

/** While something can't be read, so often it is looked whether it is what is missing. */
const LOOK_AGAIN_MS = 5_000;
/** What a pod that is gone has said is forgotten after so long. */
const FORGET_ACKS_AFTER_MS = 600_000;

/** What reconciling has come to: what is in force now, and what is said of it. */
interface Verdict {
  readonly stored: StoredPolicy | undefined;
  readonly conditions: readonly Condition[];
  /** Why what is written is not what is in force; absent where it is. */
  readonly behind?: { readonly reason: string; readonly message: string };
  readonly retryInMs?: number;
}

/**
 * Puts an AuthPolicy in force. What can't be compiled leaves what was in force before; a policy that is gone, or whose tenant is gone
 * or does not allow it, is taken out of force, and its pods deny.
 */
export async function reconcileAuthPolicy(
  options: AuthPolicyControllerOptions,
  namespace: string,
  name: string,
): Promise<Reconciled> {
  const { database, source, status, policies } = options;
  const key: ResourceKey = { kind: "AuthPolicy", namespace, name };
  const observed = source.get("AuthPolicy", namespace, name);
  policies.set(key, observed?.inForce?.spec.tenantRef.name);
  const [stored] = await database.read((tx) => policiesNamed(tx, [{ namespace, name }]));
  if (observed === undefined) {
    if (stored !== undefined && source.incomplete === true) {
      return { ...OK, requeue: { requeueAfterMs: LOOK_AGAIN_MS } };
    }
    await remove(options, stored);
    await status.forget(key);
    return { ...OK, affects: await rivalsOf(options, key, stored, undefined) };
  }
  const verdict = await judge(options, observed, stored, key);
  const coverage = await cover(options, observed, verdict);
  const conditions = [
    ...verdict.conditions,
    ...(coverage === undefined ? [] : [coverage.enforced, coverage.conflicted]),
  ];
  const { generation } = observed.meta;
  await status.report(key, {
    conditions,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(verdict.stored !== undefined && { policyDigest: verdict.stored.digest }),
    ...(coverage !== undefined && { pods: coverage.pods }),
  });
  const refused = verdict.conditions.some((each) => each.status === "False");
  return {
    ...(refused ? INVALID : OK),
    affects: await rivalsOf(options, key, stored, verdict.stored),
    ...(verdict.retryInMs !== undefined && { requeue: { requeueAfterMs: verdict.retryInMs } }),
  };
}

async function judge(
  options: AuthPolicyControllerOptions,
  { inForce, problems, meta }: Observed<AuthPolicy>,
  stored: StoredPolicy | undefined,
  { namespace, name }: ResourceKey,
): Promise<Verdict> {
  if (inForce === undefined) return { stored, ...refusal(problems) };
  const refused = problems.length === 0 ? undefined : refusal(problems);
  const accepted = refused?.conditions ?? [condition("Accepted", "True", "Accepted")];
  const behind = refused && { behind: refused.behind };
  if (inForce.spec.paused) {
    return { stored, conditions: [...accepted, pausing("what was compiled last stays in force")], ...behind };
  }
  const found = await findTenant(options.database, options.source, inForce);
  if (found.kind === "Gone") return await outOfForce(options, stored, [...accepted, found.why]);
  if (found.kind === "Wait") {
    const { why, retryInMs } = found;
    return { stored, conditions: [...accepted, why], behind: why, ...(retryInMs !== undefined && { retryInMs }) };
  }
  const { tenant, resource } = found;
  if (resource.spec.paused) {
    const message = `Tenant ${tenant.name} is paused: what was compiled last stays in force`;
    return { stored, conditions: [...accepted, RESOLVED, pausing(message)], ...behind };
  }
  const namespaceLabels = options.source.namespaceLabels(namespace);
  const { issuer } = options;
  const compiled = compile({ tenant: { id: tenant.id, resource }, issuer, policy: inForce, namespaceLabels });
  if (!compiled.ok) {
    const forbidden = compiled.problems.find(({ code }) => code === "Forbidden");
    if (forbidden === undefined) {
      const { conditions, behind } = refusal(compiled.problems);
      return { stored, conditions: [...conditions, RESOLVED], behind };
    }
    const why = condition("ResolvedRefs", "False", "TenantNotPermitted", describeSourceProblem(forbidden));
    return await outOfForce(options, stored, [...accepted, why]);
  }
  const wanted: StoredPolicy = {
    tenantId: tenant.id,
    namespace,
    name,
    digest: compiled.digest,
    compiled: Buffer.from(compiled.bytes),
    selector: inForce.spec.selector,
    // Where resources have no age, a policy's is that of its row.
    createdAtMs: meta.createdAtMs ?? stored?.createdAtMs ?? Date.now(),
  };
  await put(options, wanted, stored);
  return { stored: wanted, conditions: [...accepted, RESOLVED], ...behind };
}

const RESOLVED = condition("ResolvedRefs", "True", "ResolvedRefs");

function pausing(message: string): Condition {
  return condition("Paused", "True", "Paused", message);
}

function refusal(problems: readonly (FieldProblem | SourceProblem)[]) {
  const reason = problems[0]?.code ?? "Invalid";
  const message = problems.map(describeSourceProblem).join("; ");
  const behind = { reason: "NotAccepted", message: "what is written now is not accepted: see Accepted" };
  return { conditions: [condition("Accepted", "False", reason, message)], behind };
}

async function outOfForce(
  options: AuthPolicyControllerOptions,
  stored: StoredPolicy | undefined,
  conditions: readonly Condition[],
): Promise<Verdict> {
  await remove(options, stored);
  return { stored: undefined, conditions };
}

/** A policy never changes its tenant: one of another tenant's is deleted first, as if its resource had been. */
async function put(
  options: AuthPolicyControllerOptions,
  policy: StoredPolicy,
  stored: StoredPolicy | undefined,
): Promise<void> {
  if (isDeepStrictEqual(stored, policy)) return;
  if (stored !== undefined && stored.tenantId !== policy.tenantId) await remove(options, stored);
  const { database, recorder } = options;
  await database.tenantTransaction(policy.tenantId, (tx) => putPolicy(tx, recorder, policy));
}

async function remove(
  { database, recorder }: AuthPolicyControllerOptions,
  stored: StoredPolicy | undefined,
): Promise<void> {
  if (stored === undefined) return;
  await database.tenantTransaction(stored.tenantId, (tx) => deletePolicy(tx, recorder, stored));
}

/** Undefined where there are no pods to be known. */
async function cover(
  { database, source }: AuthPolicyControllerOptions,
  { inForce }: Observed<AuthPolicy>,
  { stored, behind }: Verdict,
): Promise<Coverage | undefined> {
  const all = source.pods?.of(stored?.namespace ?? inForce?.metadata.namespace ?? "");
  if (all === undefined) return undefined;
  if (stored === undefined) {
    const pods = inForce === undefined ? [] : selectedPods(all, inForce.spec.selector);
    return noCoverage(pods, behind?.reason ?? "NotInForce", "it is not in force: the pods that it selects deny");
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
  return { ...coverage, enforced: condition("Enforced", "False", behind.reason, behind.message) };
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
async function rivalsOf(
  { database, source }: AuthPolicyControllerOptions,
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
