import { isUuid } from "@heauth/program";
import { type Database, listTenants, type Tenant, tenantById, tenantByName } from "@heauth/store";
import { IdentityError } from "../errors.ts";

/**
 * The tenant that a login is for, by name or by id; where none is named, the installation's only one.
 * @returns undefined when there is none of that name
 * @throws IdentityError TenantRequired; StoreError StoreUnavailable
 */
export async function findTenant(database: Database, wanted: string | undefined): Promise<Tenant | undefined> {
  return database.read(async (tx) => {
    if (wanted !== undefined) {
      return (await tenantByName(tx, wanted)) ?? (isUuid(wanted) ? tenantById(tx, wanted) : undefined);
    }
    const [only, ...more] = await listTenants(tx);
    if (only === undefined || more.length > 0) throw new IdentityError("TenantRequired");
    return only;
  });
}
