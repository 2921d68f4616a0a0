import type { StoredTenant } from "@heauth/store";
import { ADOPT } from "../../source/marks.ts";
import type { ObservedMeta } from "../../source/source.ts";

/** How a Tenant resource stands to what the database has under its name. */
export type Claim =
  /** There is nothing. `id`: the one that it has to have. */
  | { readonly kind: "New"; readonly id?: string }
  /** It is this resource's. */
  | { readonly kind: "Own"; readonly stored: StoredTenant }
  /** It is an earlier resource's, and this one is to take it over. */
  | { readonly kind: "Adopt"; readonly stored: StoredTenant }
  /** It is an earlier resource's, and its deletion has begun. */
  | { readonly kind: "Replace"; readonly stored: StoredTenant }
  | {
      readonly kind: "Refused";
      readonly reason: "ManagedByAPI" | "NameTaken" | "DataRetained" | "DataMissing" | "AdoptionMismatch";
      readonly message: string;
      /** An earlier resource's tenant whose end this is. */
      readonly earlier?: StoredTenant;
      /** The tenant that this resource is, and that the database does not have under its name. */
      readonly missing?: string;
    };

/** Whose tenant is it? Resources are told apart by their uid; where they have none (in a folder), by their name. */
export function claimOn(stored: StoredTenant | undefined, { uid, annotations, tenantId }: ObservedMeta): Claim {
  const adopt = annotations[ADOPT];
  if (stored === undefined) {
    if (tenantId !== undefined) return adopt === tenantId ? { kind: "New", id: tenantId } : missing(tenantId);
    if (adopt === undefined) return { kind: "New" };
    return refused("AdoptionMismatch", `${ADOPT} names ${adopt}, and nothing is retained under this name`);
  }
  if (stored.managedBy === "API") {
    return stored.deleted
      ? refused("NameTaken", "the name belongs to a tenant that was deleted")
      : refused("ManagedByAPI", "the tenant is managed by the API; a resource can't take it over");
  }
  if (tenantId !== undefined && stored.id !== tenantId) return { ...missing(tenantId), earlier: stored };
  // Its deletion has begun, and may be half done.
  if (stored.deleted && stored.reclaimPolicy === "Delete") return { kind: "Replace", stored };
  if (uid === undefined || stored.resourceUid === uid) return { kind: "Own", stored };
  // Made where resources had no uid, and in use.
  if (stored.resourceUid === null && !stored.deleted) return { kind: "Own", stored };
  if (adopt === stored.id) return { kind: "Adopt", stored };
  if (adopt !== undefined) {
    return {
      ...refused("AdoptionMismatch", `${ADOPT} names ${adopt}, and what is retained is of ${stored.id}`),
      earlier: stored,
    };
  }
  const message = `data of an earlier Tenant of this name is retained; to take it over, annotate this one with ${ADOPT}: ${stored.id}`;
  return { ...refused("DataRetained", message), earlier: stored };
}

/** To make it anew under another id would begin a log that no anchor contradicts: what was lost would never be told of. */
function missing(id: string) {
  const message =
    `the database does not have the tenant that this one is, ${id}: an older backup was restored, or it is another database. Restore ` +
    `one that has it; or, to begin it anew with its loss on record, annotate this one with ${ADOPT}: ${id}, and run heauth ledger recover`;
  return { ...refused("DataMissing", message), missing: id };
}

function refused(reason: Extract<Claim, { kind: "Refused" }>["reason"], message: string) {
  return { kind: "Refused", reason, message } as const;
}
