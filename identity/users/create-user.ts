import type { PrivatePart } from "@heauth/core/ledger";
import { uuidv7 } from "@heauth/program";
import {
  createUser,
  type LedgerWriter,
  type NewUser,
  StoreError,
  type Tenant,
  type Tx,
  type User,
} from "@heauth/store";
import { IdentityError, invalidField } from "../errors.ts";
import type { Hashing } from "../login/hashing.ts";
import { hashNewPassword } from "./password.ts";

/** A user as asked for; names are read already. */
export interface UserWish {
  readonly login: string;
  readonly email: string;
  readonly password: string;
  readonly sub?: string | undefined;
  readonly scope?: string | undefined;
  readonly roles?: readonly string[] | undefined;
}

/** Who did it, for the record. */
export interface Doer {
  readonly request?: string;
  readonly session?: string;
  readonly private: PrivatePart;
}

/**
 * Judges the wish and hashes its password, which takes time: outside of any transaction.
 * @throws IdentityError InvalidRequest, PasswordRefused, Overloaded
 */
export async function prepareUser(hashing: Hashing, { name, settings }: Tenant, wish: UserWish): Promise<NewUser> {
  const { login, email, password, sub, scope, roles = [] } = wish;
  if (login.includes("@") && login !== email) {
    throw invalidField("/login", "may only be an e-mail address if it is the user's own");
  }
  const passwordHash = await hashNewPassword(hashing, password, settings.passwords, [login, email, name]);
  const id = uuidv7();
  return {
    id,
    login,
    email,
    subject: sub ?? id,
    ...(scope !== undefined && { scope }),
    roles: [...new Set(roles)].sort(),
    passwordHash,
  };
}

/**
 * Creates a user and the record of it, in the caller's transaction.
 * @throws IdentityError LoginTaken, EmailTaken
 */
export async function addUser(
  tx: Tx,
  ledgerWriter: LedgerWriter,
  tenantId: string,
  user: NewUser,
  doer: Doer,
): Promise<Omit<User, "createdAt">> {
  const { passwordHash: _, ...known } = user;
  try {
    await createUser(tx, tenantId, user);
  } catch (error) {
    throw takenError(error) ?? error;
  }
  const { details, ...from } = doer.private;
  await ledgerWriter.append(tx, tenantId, [
    {
      type: "identity.user.create",
      ...doer,
      private: {
        ...from,
        user: user.id,
        login: user.login,
        email: user.email,
        details: { ...details, subject: user.subject, roles: user.roles.join(" ") },
      },
    },
  ]);
  return known;
}

function takenError(error: unknown): IdentityError | undefined {
  if (!(error instanceof StoreError) || error.code !== "AlreadyExists") return undefined;
  return new IdentityError(error.field === "email" ? "EmailTaken" : "LoginTaken");
}
