import { type Tenant as TenantResource, tenantSettings } from "@heauth/core/resources";
import { newTagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import {
  addTagKey,
  changeTenantSettings,
  createTenant,
  type Database,
  StoreError,
  type Tenant,
  type Tx,
  tagKeys,
  tenantByName,
} from "@heauth/store";
import { describeSourceProblem } from "../../source/describe.ts";
import type { ResourceSource } from "../../source/source.ts";
import { type Condition, condition, type StatusSink } from "../../status/condition.ts";
import { INVALID, OK, type Reconciled } from "../outcome.ts";

export interface TenantControllerOptions {
  readonly database: Database;
  readonly source: Pick<ResourceSource, "get">;
  readonly status: StatusSink;
  /** Why the tenant's log is not sealed any further; undefined while it is. */
  readonly halted: (tenantId: string) => string | undefined;
}

/** Makes a tenant what its resource says. Its id is made once; whoever writes the same name again gets the same tenant. */
export async function reconcileTenant(options: TenantControllerOptions, name: string): Promise<Reconciled> {
  const { database, source, status } = options;
  const key = { kind: "Tenant", namespace: "", name } as const;
  const observed = source.get("Tenant", "", name);
  // Retained: the tenant and its ledger stay. Its policies go, each by its own reconciling.
  if (observed === undefined) {
    await status.forget(key);
    return OK;
  }
  const { inForce, problems } = observed;
  const conditions: Condition[] = [];
  if (problems.length > 0) {
    conditions.push(condition("Ready", "False", "Invalid", problems.map(describeSourceProblem).join("; ")));
  }
  const stored = await database.transaction((tx) => tenantByName(tx, name));
  // Not for us: that tenant is managed by the API.
  if (stored?.managedBy === "API") {
    const message = "the tenant is managed by the API; a resource can't take it over";
    await status.report(key, { conditions: [condition("Ready", "False", "ManagedByAPI", message)] });
    return INVALID;
  }
  if (inForce?.spec.paused === true) {
    conditions.push(condition("Paused", "True", "Paused", "what was compiled last stays in force"));
  }
  const wanted = inForce === undefined || inForce.spec.paused ? undefined : inForce;
  const id = wanted === undefined ? stored?.id : await apply(database, wanted, stored);
  if (id === undefined && wanted !== undefined) {
    const message = "the name belongs to a tenant that was deleted";
    await status.report(key, { conditions: [condition("Ready", "False", "NameTaken", message)] });
    return INVALID;
  }
  if (problems.length === 0) conditions.push(readiness(id));
  if (id !== undefined) conditions.push(sealing(options.halted(id)));
  await status.report(key, { conditions, ...(id !== undefined && { tenantId: id }) });
  return problems.length === 0 ? OK : INVALID;
}

/** @returns the tenant's id; undefined when the name is taken */
async function apply(
  database: Database,
  resource: TenantResource,
  stored: Tenant | undefined,
): Promise<string | undefined> {
  const settings = tenantSettings(resource);
  if (stored !== undefined) {
    await database.tenantTransaction(stored.id, async (tx) => {
      await ensureTagKey(tx, stored.id);
      await changeTenantSettings(tx, stored.id, settings);
    });
    return stored.id;
  }
  const id = uuidv7();
  try {
    await database.tenantTransaction(id, async (tx) => {
      await createTenant(tx, { id, name: resource.metadata.name, settings });
      await ensureTagKey(tx, id);
    });
    return id;
  } catch (error) {
    if (error instanceof StoreError && error.code === "AlreadyExists") return undefined;
    throw error;
  }
}

async function ensureTagKey(tx: Tx, tenantId: string): Promise<void> {
  if ((await tagKeys(tx, tenantId)).length === 0) await addTagKey(tx, tenantId, newTagKey());
}

function readiness(id: string | undefined): Condition {
  if (id !== undefined) return condition("Ready", "True", "Ready");
  return condition("Ready", "False", "NotCreated", "the tenant is paused and was never created");
}

function sealing(halted: string | undefined): Condition {
  if (halted === undefined) return condition("LedgerSealed", "True", "Sealed");
  return condition("LedgerSealed", "False", "Halted", halted);
}
