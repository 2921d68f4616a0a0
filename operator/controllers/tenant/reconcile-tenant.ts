import type { Tenant as TenantResource } from "@heauth/core/resources";
import type { Logger } from "@heauth/program";
import { type StoredTenant, type TenantTrouble, tenantHolding } from "@heauth/store";
import { describeSourceProblem } from "../../source/describe.ts";
import { FINALIZER } from "../../source/marks.ts";
import type { Observed, ResourceKey, ResourceSource } from "../../source/source.ts";
import { type Condition, condition, type StatusSink } from "../../status/condition.ts";
import { INVALID, OK, type Reconciled } from "../outcome.ts";
import type { PolicyIndex } from "../policy-index.ts";
import { type Claim, claimOn } from "./claim.ts";
import { alertsDelivering, readiness, sealing } from "./conditions.ts";
import { type EndTenantParts, endStored, retainAnchor } from "./end-tenant.ts";
import { putTenantOf } from "./put-tenant.ts";
import { Removals } from "./removals.ts";
import { RepairedReceivers } from "./repaired-receivers.ts";

export interface TenantControllerOptions extends EndTenantParts {
  readonly source: ResourceSource;
  readonly status: StatusSink;
  readonly policies: PolicyIndex;
  readonly log: Logger;
  /** What the jobs have found; undefined: nothing. */
  readonly troubleOf: (tenantId: string) => TenantTrouble | undefined;
}

/** Makes a tenant what its resource says, and ends it when that goes: finalizer first, then the database, the status last. */
export class TenantReconciler {
  readonly #options: TenantControllerOptions;
  readonly #removals: Removals;
  readonly #receivers: RepairedReceivers;
  /** By name: what policies were last compiled against. */
  readonly #seenByPolicies = new Map<string, string>();

  constructor(options: TenantControllerOptions) {
    this.#options = options;
    this.#removals = new Removals(options);
    this.#receivers = new RepairedReceivers(options);
  }

  async reconcile(name: string): Promise<Reconciled> {
    const { reconciled, inForce } = await this.#reconcile(name);
    const before = this.#seenByPolicies.get(name);
    if (inForce === undefined) this.#seenByPolicies.delete(name);
    else this.#seenByPolicies.set(name, inForce);
    return before === inForce ? reconciled : { ...reconciled, affects: this.#options.policies.of(name) };
  }

  /** `inForce`: all that its policies depend on; undefined where it can't be used. */
  async #reconcile(name: string): Promise<{ readonly reconciled: Reconciled; readonly inForce?: string }> {
    const { database, source, status } = this.#options;
    const key: ResourceKey = { kind: "Tenant", namespace: "", name };
    const observed = source.get("Tenant", "", name);
    const stored = await database.read((tx) => tenantHolding(tx, name));
    if (observed === undefined) {
      await status.forget(key);
      if (stored !== undefined) this.#receivers.forget(stored.id);
      return { reconciled: await this.#removals.settle(name, stored) };
    }
    this.#removals.seen(name);
    const claim = claimOn(stored, observed.meta);
    if (observed.meta.deleting) return { reconciled: await this.#delete(key, observed, claim) };
    await this.#endEarlier(claim);
    if (claim.kind === "Refused") return { reconciled: await this.#refuse(key, observed, claim) };
    const { inForce, problems } = observed;
    const wanted = inForce === undefined || inForce.spec.paused ? undefined : inForce;
    const known = claim.kind === "Own" ? claim.stored.id : undefined;
    const id = wanted === undefined ? known : await putTenantOf(this.#options, key, observed.meta, wanted, claim);
    if (id === "NameTaken") {
      const message = "the name has just been taken by a tenant of the API";
      return { reconciled: await this.#refuse(key, observed, { kind: "Refused", reason: "NameTaken", message }) };
    }
    if (id !== undefined && inForce !== undefined) await this.#receivers.look(id, inForce);
    await status.report(key, {
      conditions: this.#conditions(observed, id),
      ...generationOf(observed),
      ...(id !== undefined && { tenantId: id }),
    });
    const reconciled = problems.length === 0 ? OK : INVALID;
    return id === undefined ? { reconciled } : { reconciled, inForce: JSON.stringify([id, inForce?.spec]) };
  }

  #conditions({ inForce, problems }: Observed<TenantResource>, id: string | undefined): Condition[] {
    const { source, troubleOf } = this.#options;
    const conditions =
      problems.length === 0
        ? [readiness(id)]
        : [condition("Ready", "False", "Invalid", problems.map(describeSourceProblem).join("; "))];
    if (inForce?.spec.paused === true) {
      conditions.push(condition("Paused", "True", "Paused", "what was compiled last stays in force"));
    }
    if (id === undefined) return conditions;
    const { halted = null, failing = [] } = troubleOf(id) ?? {};
    conditions.push(sealing(halted));
    if (inForce !== undefined) conditions.push(alertsDelivering(inForce, source, failing));
    return conditions;
  }

  async #refuse(
    key: ResourceKey,
    observed: Observed<TenantResource>,
    { reason, message }: Extract<Claim, { kind: "Refused" }>,
  ): Promise<Reconciled> {
    const conditions = [condition("Ready", "False", reason, message)];
    await this.#options.status.report(key, { conditions, ...generationOf(observed) });
    return INVALID;
  }

  /** An earlier resource of the name went while nobody looked. */
  async #endEarlier(claim: Claim): Promise<void> {
    const { log } = this.#options;
    if (claim.kind === "Replace") {
      const { id, name } = claim.stored;
      log.warn({ tenant: id, name }, "the Tenant with the reclaim policy Delete is gone: its data is deleted");
      await endStored(this.#options, claim.stored, "Delete");
    } else if (claim.kind === "Refused" && claim.earlier !== undefined && !claim.earlier.deleted) {
      const { id, name } = claim.earlier;
      log.warn({ tenant: id, name }, "another Tenant has taken the name: the data of the earlier one is retained");
      await retainAnchor(this.#options, claim.earlier);
      await endStored(this.#options, claim.earlier, "Retain");
    }
  }

  async #delete(key: ResourceKey, observed: Observed<TenantResource>, claim: Claim): Promise<Reconciled> {
    const { source, status, log } = this.#options;
    const held = observed.meta.finalizers.includes(FINALIZER);
    const own = claim.kind === "Own" || (claim.kind === "Replace" && claim.stored.resourceUid === observed.meta.uid);
    // Not for us: what is under this name is not of this resource.
    if (own && (held || !claim.stored.deleted)) {
      const conditions = [condition("Ready", "False", "Deleting", "the tenant is being deleted")];
      await status.report(key, { conditions, ...generationOf(observed), tenantId: claim.stored.id });
      const reclaim = reclaimOf(observed, claim.stored);
      log.info({ tenant: claim.stored.id, name: key.name, reclaim }, "the Tenant is being deleted");
      await endStored(this.#options, claim.stored, reclaim);
      if (reclaim === "Retain") await retainAnchor(this.#options, claim.stored);
    }
    // What it still has to say against the database is not to go with it.
    if (claim.kind === "Refused" && claim.missing !== undefined && observed.inForce?.spec.reclaimPolicy !== "Delete") {
      await retainAnchor(this.#options, { id: claim.missing, name: key.name });
    }
    if (held) await source.setFinalizer?.(key, observed.meta.uid, false);
    return OK;
  }
}

/** What its resource last said; of one that is paused, `Delete` counts only where it was taken up before. */
function reclaimOf({ inForce }: Observed<TenantResource>, stored: StoredTenant): StoredTenant["reclaimPolicy"] {
  // Its deletion has begun with this.
  if (inForce === undefined || stored.deleted) return stored.reclaimPolicy;
  if (inForce.spec.paused && stored.reclaimPolicy === "Retain") return "Retain";
  return inForce.spec.reclaimPolicy;
}

function generationOf({ meta }: Observed<unknown>): { readonly observedGeneration?: number } {
  return meta.generation === undefined ? {} : { observedGeneration: meta.generation };
}
