import { readEmail } from "@heauth/core/users";
import { type Database, type LedgerWriter, tenantByName } from "@heauth/store";
import { IdentityError, invalidField } from "../errors.ts";
import { createHashing } from "../login/hashing.ts";
import { ADMIN_ROLE } from "../sessions/caller.ts";
import { addUser, prepareUser } from "./create-user.ts";

export interface SuperuserParts {
  /** Opened with the role `heauth_identity`. */
  readonly database: Database;
  /** The command line's own, closed by it. */
  readonly ledgerWriter: LedgerWriter;
}

export interface SuperuserWish {
  /** The tenant's name. */
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

/**
 * Creates a tenant's administrator: a user with the role `admin` whose login is the e-mail address. Recorded.
 *
 * @returns the user's id
 * @throws IdentityError InvalidRequest, PasswordRefused (`errors` say what), TenantNotFound, LoginTaken, EmailTaken;
 *   StoreError StoreUnavailable
 */
export async function createSuperuser(
  { database, ledgerWriter }: SuperuserParts,
  wish: SuperuserWish,
): Promise<{ id: string }> {
  const email = readEmail(wish.email);
  if (!email.ok) throw invalidField("/email", email.problem);
  const tenant = await database.read((tx) => tenantByName(tx, wish.tenant));
  if (tenant === undefined) throw new IdentityError("TenantNotFound");
  const user = await prepareUser(createHashing({ threads: 1, queue: 0 }), tenant, {
    login: email.value,
    email: email.value,
    password: wish.password,
    roles: [ADMIN_ROLE],
  });
  return database.tenantTransaction(tenant.id, async (tx) => {
    const { id } = await addUser(tx, ledgerWriter, tenant.id, user, { private: { details: { by: "command line" } } });
    return { id };
  });
}
