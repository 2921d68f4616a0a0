import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseProgramKeyFile } from "@heauth/core/keys";
import {
  AUTH_POLICIES,
  CONFIG_MAPS,
  isClusterError,
  type KubeObject,
  NAMESPACES,
  TENANTS,
} from "@heauth/program/kubernetes";
import { type Database, LedgerWriter, revokeSessions } from "@heauth/store";
import { logIn, makeUser, newSession } from "@heauth/store/testing";
import { eventually } from "../../faults/eventually.ts";
import { conditionOf, type OperatorRig, RELEASE_NAMESPACE, type Resource } from "../operator-rig.ts";
import { policyObject, tenantObject } from "./objects.ts";

const POLICY = "web";

/** Identity's part in a test: opens sessions and ends them, as the server does. */
export interface Logins {
  /** @returns the session's id. `forMs`: how long it may last, 12 h unless given */
  open(tenantId: string, forMs?: number): Promise<string>;
  /** Somebody used an old refresh token of it: the session ends, and an alert is raised. */
  misuse(tenantId: string, sessionId: string): Promise<void>;
}

export async function loginsOf(rig: OperatorRig): Promise<Logins> {
  const identity: Database = await rig.store.database("heauth_identity");
  const programKey = parseProgramKeyFile(await readFile(join(rig.keys, "identity.json"), "utf8"), "identity");
  const recorder = new LedgerWriter({ program: "identity", programKey });
  let users = 0;
  return {
    async open(tenantId, forMs = 12 * 3_600_000) {
      users += 1;
      const user = await makeUser(identity, tenantId, `user-${users}-${tenantId.slice(-6)}`);
      const expiresAt = (Date.now() + forMs) * 1000;
      return await logIn(identity, recorder, newSession({ identity: programKey }, tenantId, user, { expiresAt }));
    },
    async misuse(tenantId, sessionId) {
      const revocation = { tenantId, sessionIds: [sessionId], reason: "RefreshReuse" } as const;
      await identity.tenantTransaction(tenantId, (tx) => revokeSessions(tx, recorder, revocation));
    },
  };
}

/** A tenant with one policy, in a namespace of its own; changed through the API server itself, as its admin. */
export class Tenancy {
  readonly name: string;
  readonly #rig: OperatorRig;
  /** Every id that it ever had: a tenant that was deleted with its data gets another one. */
  readonly #ids: string[] = [];
  #hasNamespace = false;

  constructor(rig: OperatorRig, name: string) {
    this.#rig = rig;
    this.name = name;
  }

  get id(): string {
    return this.#ids.at(-1) ?? "";
  }

  async putTenant(spec: object = {}, annotations: Record<string, string> = {}): Promise<void> {
    await this.#apply(tenantObject(this.name, spec, annotations));
  }

  async putPolicy(spec: object = {}): Promise<void> {
    if (!this.#hasNamespace) await this.#rig.api.client.create(NAMESPACES, { metadata: { name: this.name } });
    this.#hasNamespace = true;
    await this.#apply(policyObject(this.name, POLICY, { tenantRef: { name: this.name }, ...spec }));
  }

  async removeTenant(): Promise<void> {
    await this.#rig.api.client.remove(TENANTS, { name: this.name });
  }

  async removePolicy(): Promise<void> {
    await this.#rig.api.client.remove(AUTH_POLICIES, { namespace: this.name, name: POLICY });
  }

  tenant(): Promise<Resource | undefined> {
    return this.#get(TENANTS, { name: this.name });
  }

  policy(): Promise<Resource | undefined> {
    return this.#get(AUTH_POLICIES, { namespace: this.name, name: POLICY });
  }

  /** Waits until the tenant is there; `anchored`: and its log has been sealed, which is so when something is in it. */
  async ready({ anchored = false }: { readonly anchored?: boolean } = {}): Promise<void> {
    const tenant = await this.#until(
      () => this.tenant(),
      (found) => conditionOf(found, "Ready") === "True" && (!anchored || found.status?.ledger !== undefined),
    );
    const id = tenant.status?.tenantId ?? "";
    if (!this.#ids.includes(id)) this.#ids.push(id);
  }

  /** Tenant and policy, both in force. */
  async live(spec: object = {}): Promise<void> {
    await this.putTenant(spec);
    await this.ready();
    await this.putPolicy();
    await this.#until(
      () => this.policy(),
      (found) => conditionOf(found, "ResolvedRefs") === "True",
    );
    await this.ready({ anchored: true });
  }

  /** Waits until there is no such Tenant any more. */
  async gone(): Promise<void> {
    const tenant = await eventually(
      () => this.tenant(),
      (found) => found === undefined,
      60_000,
    );
    if (tenant !== undefined) throw new Error(`tenant ${this.name} is still there: ${JSON.stringify(tenant.status)}`);
  }

  /**
   * All that database and API server have of it, without what is another for every tenant (names, ids, times, sizes): of two
   * tenants that went through the same, it is the same.
   */
  async seen(): Promise<unknown> {
    const { store } = this.#rig;
    const holders = await store.superuser.query<{ id: string }>("SELECT id FROM tenant WHERE name = $1", [this.name]);
    const ids = [...new Set([...this.#ids, ...holders.map(({ id }) => id)])];
    const of = (sql: string) => store.superuser.query(sql, [ids]);
    const kept = ids.map((id) => this.#get(CONFIG_MAPS, { namespace: RELEASE_NAMESPACE, name: `heauth-anchor-${id}` }));
    const [tenant, policy] = [await this.tenant(), await this.policy()];
    const everything = {
      tenants: await of(
        `SELECT id, deleted_at IS NOT NULL AS deleted, reclaim_policy, resource_uid, settings FROM tenant
          WHERE id = ANY ($1) ORDER BY id`,
      ),
      tagKeys: await of("SELECT tenant_id FROM tag_key WHERE tenant_id = ANY ($1)"),
      policies: await of(
        `SELECT tenant_id, namespace, name, selector, convert_from(compiled, 'UTF8')::json #>> '{mode}' AS mode FROM policy
          WHERE tenant_id = ANY ($1)`,
      ),
      sessions: await of("SELECT tenant_id, close_reason FROM session WHERE tenant_id = ANY ($1)"),
      sessionKeys: await of("SELECT tenant_id FROM session_key WHERE tenant_id = ANY ($1)"),
      events: await of(
        "SELECT tenant_id, kind, count(*) FROM outbox WHERE tenant_id = ANY ($1) GROUP BY 1, 2 ORDER BY 1, 2",
      ),
      records: await of(
        `SELECT tenant_id, type, count(*) FROM audit_record
          WHERE tenant_id = ANY ($1) AND type NOT LIKE 'journal.%' AND type NOT LIKE 'block.%' GROUP BY 1, 2 ORDER BY 1, 2`,
      ),
      kept: (await Promise.all(kept)).map((found) => found !== undefined),
      tenant: shape(tenant),
      policy: shape(policy),
    };
    let text = JSON.stringify(everything).replaceAll(this.name, "<name>");
    if (tenant !== undefined) text = text.replaceAll(tenant.metadata.uid, "<uid>");
    text = text.replaceAll(/"resource_uid":"[0-9a-f-]{36}"/g, '"resource_uid":"<earlier uid>"');
    for (const [index, id] of ids.entries()) text = text.replaceAll(id, `<id ${index}>`);
    return JSON.parse(text);
  }

  async #until(ask: () => Promise<Resource | undefined>, wanted: (found: Resource) => boolean): Promise<Resource> {
    const found = await eventually(ask, (answer) => answer !== undefined && wanted(answer), 60_000);
    if (found !== undefined && wanted(found)) return found;
    const logs = this.#rig.operators().flatMap(({ log }) => log.slice(-15).map((line) => JSON.stringify(line)));
    throw new Error(`${this.name} did not become as wanted: ${JSON.stringify(found?.status)}\n${logs.join("\n")}`);
  }

  async #apply(object: KubeObject): Promise<void> {
    const type = object.kind === "Tenant" ? TENANTS : AUTH_POLICIES;
    await this.#rig.api.client.apply(type, object, { fieldManager: "somebody" });
  }

  async #get<T extends Resource>(
    type: typeof TENANTS,
    name: { name: string; namespace?: string },
  ): Promise<T | undefined> {
    return await this.#rig.api.client
      .get(type, name)
      .then((found) => found as unknown as T)
      .catch((error: unknown) => {
        if (!isClusterError(error, "NotFound")) throw error;
        return undefined;
      });
  }
}

function shape(resource: Resource | undefined) {
  if (resource === undefined) return null;
  const { metadata, status = {} } = resource;
  const conditions = (status.conditions ?? []).map(({ type, status: is, reason, message, observedGeneration }) => ({
    type,
    is,
    reason,
    message,
    observedGeneration,
  }));
  return {
    generation: metadata.generation,
    finalizers: metadata.finalizers ?? [],
    observedGeneration: status.observedGeneration,
    tenantId: status.tenantId,
    inForce: status.policyDigest !== undefined,
    anchored: status.ledger !== undefined,
    conditions: conditions.toSorted((a, b) => (a.type < b.type ? -1 : 1)),
  };
}
