import { isDeepStrictEqual } from "node:util";
import { createLogs, uuidv7 } from "@heauth/program";
import {
  type Database,
  LedgerWriter,
  notePolicyAck,
  type PolicyAck,
  resourceNames,
  type TenantTrouble,
} from "@heauth/store";
import { logIn, makeUser, newSession, type TestDatabase, testDatabase, testKeys } from "@heauth/store/testing";
import { keyText, parseKey, type ResourceKey, type ResourceSource } from "../../source/source.ts";
import type { Condition, ResourceStatus, StatusSink } from "../../status/condition.ts";
import { MemoryAnchors } from "../../testing/memory-anchors.ts";
import type { MemoryCluster } from "../../testing/memory-cluster.ts";
import { type Controllers, createControllers } from "../controllers.ts";
import type { Reconciled } from "../outcome.ts";

export const ACME: ResourceKey = { kind: "Tenant", namespace: "", name: "acme" };
export const WEB: ResourceKey = { kind: "AuthPolicy", namespace: "shop", name: "web" };

const { log } = createLogs({ program: "test", level: "silent" });

/** What the API server would have, and how often it was written. */
export class Statuses implements StatusSink {
  readonly now = new Map<string, ResourceStatus>();
  writes = 0;

  async report(key: ResourceKey, status: ResourceStatus): Promise<void> {
    if (isDeepStrictEqual(this.now.get(keyText(key)), status)) return;
    this.writes += 1;
    this.now.set(keyText(key), status);
  }

  async forget(key: ResourceKey): Promise<void> {
    this.now.delete(keyText(key));
  }

  of(key: ResourceKey): ResourceStatus | undefined {
    return this.now.get(keyText(key));
  }

  /** `True Reason`, `False Reason`; undefined where it is not said. */
  word(key: ResourceKey, type: Condition["type"]): string | undefined {
    const condition = this.of(key)?.conditions.find((each) => each.type === type);
    return condition && `${condition.status} ${condition.reason}`;
  }

  message(key: ResourceKey, type: Condition["type"]): string | undefined {
    return this.of(key)?.conditions.find((each) => each.type === type)?.message;
  }
}

/** Controllers over a real database and resources in memory. They are begun anew, as another process, by `restart`. */
export class ControllerRig<S extends ResourceSource = MemoryCluster> {
  readonly keys = testKeys();
  readonly store: TestDatabase;
  readonly operator: Database;
  readonly hub: Database;
  readonly source: S;
  readonly status = new Statuses();
  readonly anchors = new MemoryAnchors();
  readonly troubles = new Map<string, TenantTrouble>();
  controllers: Controllers;
  readonly #told = new Set<string>();
  #identity: Promise<Database> | undefined;

  private constructor(store: TestDatabase, operator: Database, hub: Database, source: S) {
    this.store = store;
    this.operator = operator;
    this.hub = hub;
    this.source = source;
    source.onChange((key) => this.#told.add(keyText(key)));
    this.controllers = this.restart();
  }

  static async open<S extends ResourceSource>(source: S): Promise<ControllerRig<S>> {
    const store = await testDatabase();
    return new ControllerRig(
      store,
      await store.database("heauth_operator"),
      await store.database("heauth_hub"),
      source,
    );
  }

  /** @param parts in place of the rig's own */
  restart(parts: Partial<Parameters<typeof createControllers>[0]> = {}): Controllers {
    this.controllers = createControllers({
      database: this.operator,
      recorder: new LedgerWriter({ program: "operator", programKey: this.keys.operator }),
      source: this.source,
      status: this.status,
      anchors: this.anchors,
      ...(this.source.setFinalizer !== undefined && { keeper: this.anchors.keeper }),
      issuer: "https://id.test",
      log,
      troubleOf: (id) => this.troubles.get(id),
      ...parts,
    });
    return this.controllers;
  }

  reconcile(key: ResourceKey): Promise<Reconciled> {
    return this.controllers.reconcile(key);
  }

  /** Reconciles everything there is, tenants first, and what that affects, until nothing is left. */
  async settle(): Promise<void> {
    const stored = await this.operator.read(resourceNames);
    const due = new Set(
      [
        ...this.source.list("Tenant"),
        ...stored.tenants.map((name) => ({ kind: "Tenant" as const, namespace: "", name })),
        ...this.source.list("AuthPolicy"),
        ...stored.policies.map((policy) => ({ kind: "AuthPolicy" as const, ...policy })),
      ].map(keyText),
    );
    for (const text of due) {
      due.delete(text);
      this.#told.delete(text);
      const { affects = [] } = await this.reconcile(parseKey(text));
      for (const next of [...affects.map(keyText), ...this.#told]) due.add(next);
    }
  }

  /** @param wish `tenantId`: what its status says already */
  tenant(
    spec: object = {},
    wish: { readonly name?: string; readonly annotations?: Record<string, string>; readonly tenantId?: string } = {},
  ): void {
    const { name = "acme", annotations = {}, ...meta } = wish;
    (this.source as unknown as MemoryCluster).put(
      {
        kind: "Tenant",
        metadata: { name, annotations },
        spec: { audiences: ["shop"], allowedNamespaces: { from: "All" }, ...spec },
      },
      meta,
    );
  }

  policy(spec: object = {}, { name = "web", namespace = "shop" } = {}): void {
    (this.source as unknown as MemoryCluster).put({
      kind: "AuthPolicy",
      metadata: { name, namespace },
      spec: {
        tenantRef: { name: "acme" },
        selector: { matchLabels: { app: "web" } },
        ports: [{ port: 8080, protocol: "HTTP" }],
        rules: [{ name: "read", match: [{ path: { type: "PathPrefix", value: "/" } }], access: "Authenticated" }],
        ...spec,
      },
    });
  }

  /** As the hub notes what a pod's sidecar says. */
  async ack(pod: { name: string; uid?: string }, ack: Partial<PolicyAck> = {}): Promise<void> {
    const [stored] = await this.rows<{ tenant_id: string; digest: string }>(
      "SELECT tenant_id, digest FROM policy WHERE name = $1",
      ack.name ?? "web",
    );
    const whole: PolicyAck = {
      tenantId: stored?.tenant_id ?? "",
      namespace: "shop",
      name: "web",
      pod: `shop/${pod.name}`,
      ...(pod.uid !== undefined && { podUid: pod.uid }),
      digest: stored?.digest ?? "",
      enforced: true,
      missingFeatures: [],
      message: "",
      ...ack,
    };
    await this.hub.tenantTransaction(whole.tenantId, (tx) => notePolicyAck(tx, whole));
  }

  /** An open session of the tenant's. */
  async session(tenantId: string): Promise<string> {
    this.#identity ??= this.store.database("heauth_identity");
    const identity = await this.#identity;
    const recorder = new LedgerWriter({ program: "identity", programKey: this.keys.identity });
    const user = await makeUser(identity, tenantId, `u${uuidv7().slice(-12)}`);
    return await logIn(identity, recorder, newSession(this.keys, tenantId, user));
  }

  /** As superuser. */
  rows<Row extends object>(sql: string, ...params: unknown[]): Promise<Row[]> {
    return this.store.superuser.query<Row>(sql, params);
  }

  /** Everything in the database that a reconciler might have written. */
  async written(): Promise<unknown> {
    const tables = ["tenant", "policy", "outbox", "journal", "segment", "session", "tag_key"];
    const counts = tables.map(
      (table) => `(SELECT count(*) || ' ' || coalesce(max(xmin::text::bigint), 0) FROM ${table})`,
    );
    return await this.rows(`SELECT ${counts.map((count, index) => `${count} AS ${tables[index]}`).join(", ")}`);
  }

  end(): Promise<void> {
    return this.store.drop();
  }
}
