import { StoreError, violates } from "./errors.ts";
import type { Tx } from "./transaction.ts";
import { addRoles } from "./user-roles.ts";

/** `subject`: what apps see as the user. `roles`: sorted. Times µs. */
export type User = {
  id: string;
  login: string;
  email: string;
  subject: string;
  scope?: string;
  roles: string[];
  createdAt: number;
};

export type NewUser = Omit<User, "createdAt"> & { passwordHash: string };

type Row = {
  id: string;
  login: string;
  email: string;
  subject: string;
  scope: string | null;
  roles: string[];
  created_at: number;
};

const COLUMNS = `u.id, u.login, u.email, u.subject, u.scope, u.created_at,
  ARRAY (SELECT r.role FROM heauth.user_role r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.id ORDER BY r.role) AS roles`;

/**
 * Creates a user; roles come into being at first use.
 *
 * @throws StoreError `AlreadyExists` with field `login` or `email`
 */
export async function createUser(tx: Tx, tenantId: string, user: NewUser): Promise<void> {
  try {
    await tx.query(
      `INSERT INTO heauth.tenant_user (tenant_id, id, login, email, subject, scope, password_hash)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [tenantId, user.id, user.login, user.email, user.subject, user.scope ?? null, user.passwordHash],
    );
  } catch (error) {
    if (violates(error, "tenant_user_login")) {
      throw new StoreError("AlreadyExists", "the login is taken", { field: "login" });
    }
    if (violates(error, "tenant_user_email")) {
      throw new StoreError("AlreadyExists", "the e-mail is taken", { field: "email" });
    }
    throw error;
  }
  await addRoles(tx, tenantId, user.id, user.roles);
}

/** By login, in any case of letters. */
export async function userByLogin(tx: Tx, tenantId: string, login: string): Promise<User | undefined> {
  const [row] = await tx.query<Row>(
    `SELECT ${COLUMNS} FROM heauth.tenant_user u WHERE u.tenant_id = $1 AND lower(u.login) = lower($2)`,
    [tenantId, login],
  );
  return row && userOf(row);
}

/** Who logs in with that login or e-mail, with the password's hash. A login that is an e-mail address is its user's own. */
export async function userForLogin(
  tx: Tx,
  tenantId: string,
  loginOrEmail: string,
): Promise<(User & { passwordHash: string }) | undefined> {
  const [row] = await tx.query<Row & { password_hash: string }>(
    `SELECT ${COLUMNS}, u.password_hash FROM heauth.tenant_user u
      WHERE u.tenant_id = $1 AND (lower(u.login) = lower($2) OR lower(u.email) = lower($2))
      ORDER BY lower(u.login) = lower($2) DESC LIMIT 1`,
    [tenantId, loginOrEmail],
  );
  return row && { ...userOf(row), passwordHash: row.password_hash };
}

/** `search`: part of a login or an e-mail. `after`: the last login of the page before. */
export type UserQuery = { search?: string; after?: string; limit: number };

/** A page of users by login; there may be more when it has `limit` users. */
export async function listUsers(tx: Tx, tenantId: string, { search, after, limit }: UserQuery): Promise<User[]> {
  const pattern = search === undefined ? null : `%${search.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;
  const rows = await tx.query<Row>(
    `SELECT ${COLUMNS} FROM heauth.tenant_user u
      WHERE u.tenant_id = $1
        AND ($2::text IS NULL OR lower(u.login) > lower($2))
        AND ($3::text IS NULL OR lower(u.login) LIKE $3 OR lower(u.email) LIKE $3)
      ORDER BY lower(u.login) LIMIT $4`,
    [tenantId, after ?? null, pattern, limit],
  );
  return rows.map(userOf);
}

/** Replaces the hash after a login with one of an older kind. Sessions stay open: the password is the same. */
export async function rehashPassword(tx: Tx, tenantId: string, userId: string, passwordHash: string): Promise<void> {
  await tx.query("UPDATE heauth.tenant_user SET password_hash = $3 WHERE tenant_id = $1 AND id = $2", [
    tenantId,
    userId,
    passwordHash,
  ]);
}

function userOf({ scope, created_at, ...row }: Row): User {
  return { ...row, ...(scope === null ? {} : { scope }), createdAt: created_at };
}
