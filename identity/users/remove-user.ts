import { deleteUser, type LedgerWriter, StoreError, type Tx, userByLogin } from "@heauth/store";
import { IdentityError } from "../errors.ts";
import type { Doer } from "./create-user.ts";

/**
 * Deletes a user, ends his sessions and records it, in the caller's transaction.
 *
 * @returns how many sessions were closed
 * @throws IdentityError UserNotFound
 */
export async function removeUser(
  tx: Tx,
  ledgerWriter: LedgerWriter,
  tenantId: string,
  login: string,
  doer: Doer,
): Promise<number> {
  const user = await userByLogin(tx, tenantId, login);
  if (user === undefined) throw new IdentityError("UserNotFound");
  const closed = await deleteUser(tx, ledgerWriter, tenantId, user.id).catch((error: unknown) => {
    // Somebody else has just deleted him.
    throw error instanceof StoreError && error.code === "NotFound" ? new IdentityError("UserNotFound") : error;
  });
  await ledgerWriter.append(tx, tenantId, [
    {
      type: "identity.user.delete",
      ...doer,
      private: { ...doer.private, user: user.id, login: user.login, email: user.email },
    },
  ]);
  return closed.length;
}
