import { isDeepStrictEqual } from "node:util";
import { compile, ruleProblems } from "@heauth/core/policy";
import type { AuthPolicy, FieldProblem } from "@heauth/core/resources";
import { type Database, deletePolicy, policiesNamed, putPolicy, type Recorder, type StoredPolicy } from "@heauth/store";
import { describeSourceProblem } from "../../source/describe.ts";
import type { Observed, ResourceKey, ResourceSource, SourceProblem } from "../../source/source.ts";
import { type Condition, condition, type StatusSink } from "../../status/condition.ts";
import { INVALID, OK, type Reconciled } from "../outcome.ts";
import type { PolicyIndex } from "../policy-index.ts";
import { findTenant } from "./find-tenant.ts";
import { cover, rivalsOf, type Standing } from "./policy-pods.ts";

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

/** What reconciling has come to. */
interface Verdict extends Standing {
  readonly conditions: readonly Condition[];
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
  const coverage = await cover(options, namespace, observed, verdict);
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
  /** What is wrong with it whatever the tenant, where it does not come to compiling it. */
  const byItself = () => acceptance([...problems, ...ruleProblems(inForce)]);
  if (inForce.spec.paused) {
    const { conditions, ...behind } = byItself();
    return { stored, conditions: [...conditions, pausing("what was compiled last stays in force")], ...behind };
  }
  const found = await findTenant(options.database, options.source, inForce);
  if (found.kind === "Gone") return await outOfForce(options, stored, [...byItself().conditions, found.why]);
  if (found.kind === "Wait") {
    const { why, retryInMs } = found;
    const conditions = [...byItself().conditions, why];
    return { stored, conditions, behind: why, ...(retryInMs !== undefined && { retryInMs }) };
  }
  const { tenant, resource } = found;
  if (resource.spec.paused) {
    const { conditions, ...behind } = byItself();
    const message = `Tenant ${tenant.name} is paused: what was compiled last stays in force`;
    return { stored, conditions: [...conditions, RESOLVED, pausing(message)], ...behind };
  }
  const namespaceLabels = options.source.namespaceLabels(namespace);
  const { issuer } = options;
  const compiled = compile({ tenant: { id: tenant.id, resource }, issuer, policy: inForce, namespaceLabels });
  if (!compiled.ok) {
    const forbidden = compiled.problems.find(({ code }) => code === "Forbidden");
    const { conditions, ...behind } = acceptance([
      ...problems,
      ...compiled.problems.filter((each) => each !== forbidden),
    ]);
    if (forbidden === undefined) return { stored, conditions: [...conditions, RESOLVED], ...behind };
    const why = condition("ResolvedRefs", "False", "TenantNotPermitted", describeSourceProblem(forbidden));
    return await outOfForce(options, stored, [...conditions, why]);
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
  const { conditions, ...behind } = acceptance(problems);
  return { stored: wanted, conditions: [...conditions, RESOLVED], ...behind };
}

const RESOLVED = condition("ResolvedRefs", "True", "ResolvedRefs");

function pausing(message: string): Condition {
  return condition("Paused", "True", "Paused", message);
}

function acceptance(problems: readonly (FieldProblem | SourceProblem)[]): Pick<Verdict, "conditions" | "behind"> {
  return problems.length === 0 ? { conditions: [condition("Accepted", "True", "Accepted")] } : refusal(problems);
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
