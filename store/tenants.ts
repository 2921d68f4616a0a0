import type { TenantSettings } from "@heauth/core/resources";
import { StoreError, violates } from "./errors.ts";
import { emit } from "./outbox.ts";
import type { Tx } from "./transaction.ts";

/** Who may change a tenant: its resource, or the API. Never both. */
export type ManagedBy = "Resource" | "API";

export type Tenant = { id: string; name: string; managedBy: ManagedBy; settings: TenantSettings };

/** A tenant that logs in itself. */
export type TenantAccount = Tenant & { email: string; passwordHash: string };

type Row = { id: string; name: string; managed_by: ManagedBy; settings: TenantSettings };

const COLUMNS = "id, name, managed_by, settings";

/**
 * Registers a tenant that manages itself by the API. Runs in a `tenantTransaction` of the new id.
 *
 * @throws StoreError `AlreadyExists` with field `name` or `email`
 */
export async function registerTenant(tx: Tx, tenant: Omit<TenantAccount, "managedBy">): Promise<void> {
  await insertion(
    tx.query(
      `INSERT INTO heauth.tenant (id, name, managed_by, settings, email, password_hash) VALUES ($1, $2, 'API', $3, $4, $5)`,
      [tenant.id, tenant.name, tenant.settings, tenant.email, tenant.passwordHash],
    ),
  );
  await beginOutbox(tx, tenant.id);
}

/** All that are not deleted, by name. */
export async function listTenants(tx: Tx): Promise<Tenant[]> {
  const rows = await tx.query<Row>(`SELECT ${COLUMNS} FROM heauth.tenant WHERE deleted_at IS NULL ORDER BY name`);
  return rows.map(tenantOf);
}

export async function tenantById(tx: Tx, id: string): Promise<Tenant | undefined> {
  return first(await tx.query<Row>(`SELECT ${COLUMNS} FROM heauth.tenant WHERE id = $1 AND deleted_at IS NULL`, [id]));
}

export async function tenantByName(tx: Tx, name: string): Promise<Tenant | undefined> {
  return first(
    await tx.query<Row>(`SELECT ${COLUMNS} FROM heauth.tenant WHERE name = $1 AND deleted_at IS NULL`, [name]),
  );
}

/** For a tenant's own login; only identity may read the hash. */
export async function tenantAccount(tx: Tx, email: string): Promise<TenantAccount | undefined> {
  const [row] = await tx.query<Row & { email: string; password_hash: string }>(
    `SELECT ${COLUMNS}, email, password_hash FROM heauth.tenant WHERE lower(email) = lower($1) AND deleted_at IS NULL`,
    [email],
  );
  return row && { ...tenantOf(row), email: row.email, passwordHash: row.password_hash };
}

/** Replaces the hash after a login with one of an older kind. */
export async function setTenantPasswordHash(tx: Tx, tenantId: string, passwordHash: string): Promise<void> {
  await tx.query("UPDATE heauth.tenant SET password_hash = $2, updated_at = now() WHERE id = $1", [
    tenantId,
    passwordHash,
  ]);
}

/** Every tenant has an outbox from its beginning. */
export async function beginOutbox(tx: Tx, tenantId: string): Promise<void> {
  await tx.query("INSERT INTO heauth.outbox_head (tenant_id, seq) VALUES ($1, 0)", [tenantId]);
  await emit(tx, tenantId, { kind: "tenant.changed" });
}

async function insertion(done: Promise<unknown>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (violates(error, "tenant_name_key"))
      throw new StoreError("AlreadyExists", "the name is taken", { field: "name" });
    if (violates(error, "tenant_email"))
      throw new StoreError("AlreadyExists", "the e-mail is taken", { field: "email" });
    throw error;
  }
}

function first(rows: Row[]): Tenant | undefined {
  const [row] = rows;
  return row && tenantOf(row);
}

function tenantOf({ id, name, managed_by, settings }: Row): Tenant {
  return { id, name, managedBy: managed_by, settings };
}
