import { isDeepStrictEqual } from "node:util";
import { compile } from "@heauth/core/policy";
import type { AuthPolicy, FieldProblem, Tenant as TenantResource } from "@heauth/core/resources";
import {
  type Database,
  deletePolicy,
  policiesNamed,
  putPolicy,
  type Recorder,
  type StoredPolicy,
  type Tenant,
  tenantByName,
} from "@heauth/store";
import { describeSourceProblem } from "../../source/describe.ts";
import type { ResourceKey, ResourceSource, SourceProblem } from "../../source/source.ts";
import { type Condition, condition, type StatusSink } from "../../status/condition.ts";
import { INVALID, OK, type Reconciled } from "../outcome.ts";

export interface AuthPolicyControllerOptions {
  readonly database: Database;
  /** Writes `policy.put` and `policy.delete`. */
  readonly recorder: Recorder;
  readonly source: Pick<ResourceSource, "get">;
  readonly status: StatusSink;
  /** `iss` of identity's tokens. */
  readonly issuer: string;
}

/** The tenant may only just be coming into being. */
const TENANT_RETRY_MS = 1_000;

/**
 * Puts an AuthPolicy in force. What can't be compiled leaves what was in force before; a policy that is gone, or whose tenant is gone
 * or does not allow it, is taken out of force, and its pods deny.
 */
export async function reconcileAuthPolicy(
  options: AuthPolicyControllerOptions,
  namespace: string,
  name: string,
): Promise<Reconciled> {
  const { database, source, status } = options;
  const key: ResourceKey = { kind: "AuthPolicy", namespace, name };
  const observed = source.get("AuthPolicy", namespace, name);
  if (observed === undefined) {
    await remove(options, { namespace, name });
    await status.forget(key);
    return OK;
  }
  const [stored] = await database.transaction((tx) => policiesNamed(tx, [{ namespace, name }]));
  const report = async (digest: string | undefined, ...conditions: Condition[]) => {
    await status.report(key, { conditions, ...(digest !== undefined && { policyDigest: digest }) });
    return conditions.some((each) => each.status === "False") ? INVALID : OK;
  };
  const { inForce, problems } = observed;
  if (inForce === undefined) return await report(stored?.digest, refused(problems));
  const accepted = problems.length === 0 ? condition("Accepted", "True", "Accepted") : refused(problems);
  if (inForce.spec.paused) {
    const paused = condition("Paused", "True", "Paused", "what was compiled last stays in force");
    return await report(stored?.digest, accepted, paused);
  }

  const found = await findTenant(options, inForce);
  if ("missing" in found) {
    if (found.gone) await remove(options, { namespace, name });
    const digest = found.gone ? undefined : stored?.digest;
    const result = await report(digest, accepted, found.missing);
    return { ...result, ...(found.requeueAfterMs && { requeue: { requeueAfterMs: found.requeueAfterMs } }) };
  }
  const { tenant, resource } = found;
  const compiled = compile({ tenant: { id: tenant.id, resource }, issuer: options.issuer, policy: inForce });
  if (!compiled.ok) {
    const forbidden = compiled.problems.find(({ code }) => code === "Forbidden");
    if (forbidden === undefined) return await report(stored?.digest, refused(compiled.problems), RESOLVED);
    await remove(options, { namespace, name });
    const message = describeSourceProblem(forbidden);
    return await report(undefined, accepted, condition("ResolvedRefs", "False", "TenantNotPermitted", message));
  }
  const { digest, bytes } = compiled;
  const { selector } = inForce.spec;
  // Where resources have no age, a policy's is that of its row.
  const createdAtMs = observed.meta.createdAtMs ?? stored?.createdAtMs ?? Date.now();
  const compiledPolicy = { namespace, name, digest, compiled: Buffer.from(bytes), selector, createdAtMs };
  await put(options, { tenantId: tenant.id, ...compiledPolicy }, stored);
  return await report(digest, accepted, RESOLVED);
}

const RESOLVED = condition("ResolvedRefs", "True", "ResolvedRefs");

function refused(problems: readonly (FieldProblem | SourceProblem)[]): Condition {
  const reason = problems[0]?.code ?? "Invalid";
  return condition("Accepted", "False", reason, problems.map(describeSourceProblem).join("; "));
}

type Found =
  | { readonly tenant: Tenant; readonly resource: TenantResource }
  | { readonly missing: Condition; readonly gone: boolean; readonly requeueAfterMs?: number };

/** The tenant that is meant; only tenants that have a resource can be. */
async function findTenant({ database, source }: AuthPolicyControllerOptions, policy: AuthPolicy): Promise<Found> {
  const { name } = policy.spec.tenantRef;
  const missing = (gone: boolean, reason: string, message: string, requeueAfterMs?: number) => ({
    missing: condition("ResolvedRefs", "False", reason, message),
    gone,
    ...(requeueAfterMs !== undefined && { requeueAfterMs }),
  });
  const observed = source.get("Tenant", "", name);
  if (observed === undefined) return missing(true, "TenantNotFound", `there is no Tenant ${name}`);
  const { inForce: resource } = observed;
  if (resource === undefined) return missing(false, "TenantInvalid", `Tenant ${name} was never valid`);
  const tenant = await database.transaction((tx) => tenantByName(tx, name));
  if (tenant === undefined) return missing(false, "TenantNotReady", `Tenant ${name} is not there yet`, TENANT_RETRY_MS);
  if (tenant.managedBy === "API") return missing(true, "TenantNotPermitted", `tenant ${name} is managed by the API`);
  return { tenant, resource };
}

/** A policy never changes its tenant: one of another tenant's is deleted first, as if its resource had been. */
async function put(
  { database, recorder }: AuthPolicyControllerOptions,
  policy: StoredPolicy,
  stored: StoredPolicy | undefined,
): Promise<void> {
  if (stored !== undefined && isDeepStrictEqual(stored, policy)) return;
  if (stored !== undefined && stored.tenantId !== policy.tenantId) {
    await database.tenantTransaction(stored.tenantId, (tx) => deletePolicy(tx, recorder, policy));
  }
  await database.tenantTransaction(policy.tenantId, (tx) => putPolicy(tx, recorder, policy));
}

async function remove(
  { database, recorder }: AuthPolicyControllerOptions,
  name: { readonly namespace: string; readonly name: string },
): Promise<void> {
  await database.transaction((tx) => deletePolicy(tx, recorder, name));
}
