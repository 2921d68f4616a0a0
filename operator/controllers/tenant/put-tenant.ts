import { isDeepStrictEqual } from "node:util";
import { type Tenant as TenantResource, tenantSettings } from "@heauth/core/resources";
import { newTagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import {
  addTagKey,
  createTenant,
  type Database,
  putTenant,
  type StoredTenant,
  StoreError,
  type TenantOfResource,
} from "@heauth/store";
import { FINALIZER } from "../../source/marks.ts";
import type { ObservedMeta, ResourceKey, ResourceSource } from "../../source/source.ts";
import type { Claim } from "./claim.ts";
import { type EndTenantParts, restoreAnchor } from "./end-tenant.ts";

/**
 * Makes the tenant of a resource, changes it, or takes it over; where it is as wanted, nothing is written. The finalizer comes first.
 *
 * @returns the tenant's id; `NameTaken` when somebody else was faster
 */
export async function putTenantOf(
  parts: EndTenantParts & { readonly source: ResourceSource },
  key: ResourceKey,
  meta: ObservedMeta,
  resource: TenantResource,
  claim: Exclude<Claim, { kind: "Refused" }>,
): Promise<string | "NameTaken"> {
  const { source, database } = parts;
  if (!meta.finalizers.includes(FINALIZER)) await source.setFinalizer?.(key, meta.uid, true);
  const wanted: TenantOfResource = {
    settings: tenantSettings(resource),
    resourceUid: meta.uid ?? null,
    reclaimPolicy: resource.spec.reclaimPolicy,
  };
  if (claim.kind === "New") return await create(database, key.name, wanted, claim.id);
  if (claim.kind === "Replace") return await create(database, key.name, wanted);
  const { stored } = claim;
  if (isAsWanted(stored, wanted)) return stored.id;
  if (claim.kind === "Adopt") await restoreAnchor(parts, stored);
  await database.tenantTransaction(stored.id, async (tx) => {
    if (!stored.hasTagKey) await addTagKey(tx, stored.id, newTagKey());
    await putTenant(tx, stored.id, wanted);
  });
  return stored.id;
}

async function create(
  database: Database,
  name: string,
  wanted: TenantOfResource,
  id = uuidv7(),
): Promise<string | "NameTaken"> {
  try {
    await database.tenantTransaction(id, async (tx) => {
      await createTenant(tx, { id, name, ...wanted });
      await addTagKey(tx, id, newTagKey());
    });
    return id;
  } catch (error) {
    if (error instanceof StoreError && error.code === "AlreadyExists") return "NameTaken";
    throw error;
  }
}

function isAsWanted(stored: StoredTenant, { settings, resourceUid, reclaimPolicy }: TenantOfResource): boolean {
  return (
    !stored.deleted &&
    stored.hasTagKey &&
    stored.resourceUid === resourceUid &&
    stored.reclaimPolicy === reclaimPolicy &&
    isDeepStrictEqual(stored.settings, settings)
  );
}
