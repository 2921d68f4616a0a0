import { digestOf } from "@heauth/core/policy";
import type { LabelSelector } from "@heauth/core/resources";
import { StoreError, violates } from "./errors.ts";
import { emit } from "./outbox.ts";
import type { Recorder } from "./recorder.ts";
import type { Tx } from "./transaction.ts";

export type PolicyName = { namespace: string; name: string };

/**
 * A policy in force. `compiled`: canonical JSON; `digest`: `sha256:<hex>` of it; `selector`: the pods of its namespace that it is for;
 * `createdAtMs`: its resource's age, which decides between policies that select the same pod.
 */
export type StoredPolicy = PolicyName & {
  tenantId: string;
  digest: string;
  compiled: Buffer;
  selector: LabelSelector;
  createdAtMs: number;
};

type Row = {
  tenant_id: string;
  namespace: string;
  name: string;
  digest: string;
  compiled: Buffer;
  selector: LabelSelector;
  created_at_ms: number;
};

const COLUMNS = "tenant_id, namespace, name, digest, compiled, selector, created_at_ms";

/**
 * Puts a policy in force: row, record `policy.put` and event in one transaction. What is there already changes nothing; a row that
 * somebody else has changed, down to its compiled bytes, is put right. A policy's tenant never changes: delete it first.
 *
 * @returns whether anything changed
 * @throws StoreError `AlreadyExists` when another tenant has a policy of that name
 */
export async function putPolicy(tx: Tx, recorder: Recorder, policy: StoredPolicy): Promise<boolean> {
  const { tenantId, namespace, name, digest, compiled, selector, createdAtMs } = policy;
  const values = [digest, compiled, selector, createdAtMs];
  const [stored] = await tx.query<{ tenant_id: string; same: boolean }>(
    `SELECT tenant_id, (digest, compiled, selector, created_at_ms) = ($3, $4, $5::jsonb, $6) AS same
       FROM heauth.policy WHERE namespace = $1 AND name = $2 FOR UPDATE`,
    [namespace, name, ...values],
  );
  if (stored && stored.tenant_id !== tenantId) throw taken(policy);
  if (stored?.same) return false;
  await tx
    .query(
      `INSERT INTO heauth.policy (tenant_id, namespace, name, digest, compiled, selector, created_at_ms)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (tenant_id, namespace, name)
       DO UPDATE SET digest = excluded.digest, compiled = excluded.compiled, selector = excluded.selector,
                     created_at_ms = excluded.created_at_ms, updated_at = now()`,
      [tenantId, namespace, name, ...values],
    )
    .catch((error: unknown) => {
      throw violates(error, "policy_namespace_name_key") ? taken(policy) : error;
    });
  await tell(tx, recorder, "policy.put", policy);
  return true;
}

/**
 * Takes a policy out of force; its pods then deny. What is recorded is the digest of the bytes that were there: whatever somebody has
 * written into the row, it can be taken out.
 *
 * @returns false when there was none
 */
export async function deletePolicy(tx: Tx, recorder: Recorder, { namespace, name }: PolicyName): Promise<boolean> {
  const [row] = await tx.query<Row>(
    `DELETE FROM heauth.policy WHERE namespace = $1 AND name = $2 RETURNING ${COLUMNS}`,
    [namespace, name],
  );
  if (!row) return false;
  await tx.query("DELETE FROM heauth.policy_ack WHERE tenant_id = $1 AND namespace = $2 AND name = $3", [
    row.tenant_id,
    namespace,
    name,
  ]);
  await tell(tx, recorder, "policy.delete", { ...policyOf(row), digest: digestOf(row.compiled) });
  return true;
}

/** Those of the named policies that are in force. */
export async function policiesNamed(tx: Tx, names: readonly PolicyName[]): Promise<StoredPolicy[]> {
  const rows = await tx.query<Row>(
    `SELECT ${COLUMNS} FROM heauth.policy
      WHERE (namespace, name) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY namespace, name`,
    [names.map(({ namespace }) => namespace), names.map(({ name }) => name)],
  );
  return rows.map(policyOf);
}

/** Those of these namespaces that are in force, whoever's they are: which of them is a pod's is `choosePolicy`'s to say. */
export async function policiesIn(tx: Tx, ...namespaces: string[]): Promise<StoredPolicy[]> {
  const rows = await tx.query<Row>(
    `SELECT ${COLUMNS} FROM heauth.policy WHERE namespace = ANY ($1) ORDER BY namespace, name`,
    [namespaces],
  );
  return rows.map(policyOf);
}

/** Whom a policy is for. */
export type StoredSelector = PolicyName & { selector: LabelSelector; createdAtMs: number };

/** As `policiesIn`, without what was compiled. */
export async function selectorsIn(tx: Tx, namespace: string): Promise<StoredSelector[]> {
  return tx.query<StoredSelector>(
    `SELECT namespace, name, selector, created_at_ms AS "createdAtMs" FROM heauth.policy WHERE namespace = $1 ORDER BY name`,
    [namespace],
  );
}

/** The names of the tenant's policies in force. */
export async function policyNames(tx: Tx, tenantId: string): Promise<PolicyName[]> {
  return tx.query<PolicyName>(
    "SELECT namespace, name FROM heauth.policy WHERE tenant_id = $1 ORDER BY namespace, name",
    [tenantId],
  );
}

async function tell(
  tx: Tx,
  recorder: Recorder,
  type: "policy.put" | "policy.delete",
  { tenantId, namespace, name, digest }: StoredPolicy,
): Promise<void> {
  await recorder.append(tx, tenantId, [{ type, policy: digest, private: { details: { namespace, name } } }]);
  await emit(tx, tenantId, { kind: "policy.changed" });
}

function taken({ namespace, name }: PolicyName): StoreError {
  return new StoreError("AlreadyExists", `${namespace}/${name} is another tenant's policy`, { field: "name" });
}

function policyOf({ tenant_id, created_at_ms, ...row }: Row): StoredPolicy {
  return { tenantId: tenant_id, ...row, createdAtMs: created_at_ms };
}
