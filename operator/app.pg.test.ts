import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCheckpoint, verifyLedger } from "@heauth/core/ledger";
import { createLogs, createMetrics } from "@heauth/program";
import { type Database, LedgerReader, LedgerWriter } from "@heauth/store";
import { insertSession, openingOf, type TestDatabase, testDatabase, testKeys } from "@heauth/store/testing";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { AnchorFiles } from "./anchor/files.ts";
import { createOperator, type Operator } from "./app.ts";
import type { ResourceKey } from "./source/source.ts";
import type { Condition, ResourceStatus, StatusSink } from "./status/condition.ts";
import { MemorySource } from "./testing/memory-source.ts";

const keys = testKeys();
const { log } = createLogs({ program: "test", level: "silent" });
const WEB: ResourceKey = { kind: "AuthPolicy", namespace: "shop", name: "web" };
const ACME: ResourceKey = { kind: "Tenant", namespace: "", name: "acme" };

let store: TestDatabase;
let database: Database;
let source: MemorySource;
let anchors: AnchorFiles;
let folder: string;
let running: Operator | undefined;

/** Statuses that can be waited for. */
class Watched implements StatusSink {
  readonly statuses = new Map<string, ResourceStatus>();
  #changed = Promise.withResolvers<void>();

  async report({ kind, name }: ResourceKey, status: ResourceStatus): Promise<void> {
    this.#set(() => this.statuses.set(`${kind} ${name}`, status));
  }
  async forget({ kind, name }: ResourceKey): Promise<void> {
    this.#set(() => this.statuses.delete(`${kind} ${name}`));
  }
  #set(change: () => void): void {
    change();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
  /** Waits until the resource has this condition; undefined: until it is gone. */
  async until(
    { kind, name }: ResourceKey,
    wanted: Partial<Condition> | undefined,
  ): Promise<ResourceStatus | undefined> {
    for (;;) {
      const status = this.statuses.get(`${kind} ${name}`);
      if (wanted === undefined ? status === undefined : status?.conditions.some((each) => matches(each, wanted))) {
        return status;
      }
      await this.#changed.promise;
    }
  }
}

function matches(condition: Condition, wanted: Partial<Condition>): boolean {
  return Object.entries(wanted).every(([field, value]) => condition[field as keyof Condition] === value);
}

let status: Watched;

beforeEach(async () => {
  store = await testDatabase();
  database = await store.database("heauth_operator");
  folder = await mkdtemp(join(tmpdir(), "heauth-operator-"));
  anchors = new AnchorFiles(folder);
  source = new MemorySource();
  status = new Watched();
});
afterEach(async () => {
  await running?.stop(AbortSignal.timeout(25_000));
  running = undefined;
  await store.drop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<Operator> {
  running = createOperator({
    database,
    resourceSource: source,
    anchors,
    ledgerWriter: new LedgerWriter({ program: "operator", programKey: keys.operator }),
    programKeys: { operator: keys.operator, pinned: keys.pinned },
    issuer: "https://id.test",
    log,
    metrics: createMetrics(),
    statusSink: status,
    blockGraceMs: 0,
  });
  await running.start();
  await running.synced;
  return running;
}

function tenant(spec: object = {}) {
  source.put({
    kind: "Tenant",
    metadata: { name: "acme" },
    spec: { audiences: ["shop"], allowedNamespaces: { from: "All" }, ...spec },
  });
}

function policy(spec: object = {}) {
  source.put({
    kind: "AuthPolicy",
    metadata: { name: "web", namespace: "shop" },
    spec: {
      tenantRef: { name: "acme" },
      selector: { matchLabels: { app: "web" } },
      ports: [{ port: 8080, protocol: "HTTP" }],
      rules: [{ name: "read", match: [{ path: { type: "PathPrefix", value: "/patients" } }], access: "Authenticated" }],
      ...spec,
    },
  });
}

const policies = () =>
  store.superuser.query<{ name: string; digest: string; tenant_id: string }>(
    "SELECT name, digest, tenant_id FROM policy",
  );
const tenants = () => store.superuser.query<{ id: string; managed_by: string }>("SELECT id, managed_by FROM tenant");
const events = async () =>
  (await store.superuser.query<{ kind: string }>("SELECT kind FROM outbox ORDER BY seq")).map(({ kind }) => kind);
const RESOLVED = { type: "ResolvedRefs", status: "True" } as const;
const ACCEPTED = { type: "Accepted", status: "True" } as const;

describe("resources", () => {
  test("come into force: tenant, tag key, policy, record, events", async () => {
    tenant();
    policy();
    await start();
    const { policyDigest } = (await status.until(WEB, RESOLVED)) ?? {};
    const { tenantId } = (await status.until(ACME, { type: "Ready", status: "True" })) ?? {};
    expect(await tenants()).toEqual([{ id: tenantId, managed_by: "Resource" }]);
    expect(await policies()).toEqual([{ name: "web", digest: policyDigest, tenant_id: tenantId }]);
    expect(await store.superuser.query("SELECT FROM tag_key")).toHaveLength(1);
    expect(await events()).toEqual(["tenant.changed", "policy.changed"]);
    expect(await store.superuser.query("SELECT program FROM journal")).toEqual([{ program: "operator" }]);
  });

  test("that did not change are not written again, by this operator or the next", async () => {
    tenant();
    policy();
    await start();
    await status.until(WEB, RESOLVED);
    const before = [await policies(), await tenants(), await events()];
    await running?.stop(AbortSignal.timeout(25_000));
    tenant();
    await start();
    tenant();
    policy();
    await status.until(WEB, RESOLVED);
    expect([await policies(), await tenants(), await events()]).toEqual(before);
  });

  test("that are changed to something invalid, or beyond the tenant's limits, leave the last good in force", async () => {
    tenant();
    policy();
    await start();
    await status.until(WEB, RESOLVED);
    const before = await policies();
    policy({ rules: [{ name: "read", match: [], access: "Nobody" }] });
    await status.until(WEB, { type: "Accepted", status: "False", reason: "Invalid" });
    policy({ upstream: { forwardCredentials: true } });
    await status.until(WEB, { type: "Accepted", status: "False", reason: "LimitExceeded" });
    expect(await policies()).toEqual(before);
    policy({ mode: "Shadow" });
    await status.until(WEB, ACCEPTED);
    expect(await policies()).not.toEqual(before);
  });

  test("that were never valid put nothing in force", async () => {
    tenant();
    policy({ authentication: { maxStaleness: "10m" } });
    await start();
    await status.until(WEB, { type: "Accepted", status: "False", reason: "LimitExceeded" });
    expect(await policies()).toEqual([]);
    tenant({ limits: { maxStaleness: "1h" } });
    await status.until(WEB, ACCEPTED);
    expect(await policies()).toHaveLength(1);
  });

  test("that are gone take the policy out of force, also while no operator ran", async () => {
    tenant();
    policy();
    await start();
    await status.until(WEB, RESOLVED);
    source.remove(WEB);
    await status.until(WEB, undefined);
    expect(await policies()).toEqual([]);
    expect(await events()).toEqual(["tenant.changed", "policy.changed", "policy.changed"]);
    policy();
    await status.until(WEB, ACCEPTED);
    await running?.stop(AbortSignal.timeout(25_000));
    source.remove(WEB);
    await start();
    expect(await policies()).toEqual([]);
  });

  test("of a tenant: gone, its policies deny and its data stays; back, it is the same tenant", async () => {
    tenant();
    policy();
    await start();
    const { tenantId } = (await status.until(ACME, { type: "Ready", status: "True" })) ?? {};
    await status.until(WEB, RESOLVED);
    source.remove(ACME);
    await status.until(WEB, { type: "ResolvedRefs", status: "False", reason: "TenantNotFound" });
    expect(await policies()).toEqual([]);
    expect(await tenants()).toHaveLength(1);
    tenant();
    await status.until(WEB, RESOLVED);
    expect((await policies())[0]?.tenant_id).toBe(tenantId);
  });

  test("of a tenant that forbids the namespace: the policy is out of force", async () => {
    tenant();
    policy();
    await start();
    await status.until(WEB, RESOLVED);
    tenant({ allowedNamespaces: { from: "None" } });
    await status.until(WEB, { type: "ResolvedRefs", status: "False", reason: "TenantNotPermitted" });
    expect(await policies()).toEqual([]);
  });

  test("do not take over a tenant that is managed by the API", async () => {
    await store.superuser.query(
      `INSERT INTO tenant (id, name, managed_by, settings, email, password_hash)
       VALUES (gen_random_uuid(), 'acme', 'API', '{}', 'a@acme.test', 'x')`,
    );
    tenant();
    policy();
    await start();
    await status.until(ACME, { type: "Ready", status: "False", reason: "ManagedByAPI" });
    await status.until(WEB, { type: "ResolvedRefs", status: "False", reason: "TenantNotPermitted" });
    expect(await store.superuser.query("SELECT settings FROM tenant")).toEqual([{ settings: {} }]);
  });

  test("that are paused stay as they were compiled last", async () => {
    tenant();
    policy();
    await start();
    await status.until(WEB, RESOLVED);
    const before = await policies();
    policy({ paused: true, mode: "Shadow" });
    await status.until(WEB, { type: "Paused" });
    tenant({ paused: true, sessions: { idleTimeout: "5m" } });
    await status.until(ACME, { type: "Paused" });
    expect(await policies()).toEqual(before);
  });
});

test("the jobs run: what was written is sealed, anchored, and verifies; an expired session ends and its block closes", async () => {
  tenant();
  policy();
  const operator = await start();
  const { tenantId = "" } = (await status.until(ACME, { type: "Ready", status: "True" })) ?? {};
  const identity = await store.database("heauth_identity");
  const writer = new LedgerWriter({ program: "identity", programKey: keys.identity });
  const openedAt = (Date.now() - 13 * 3600 * 1000) * 1000;
  const session = await insertSession(store.superuser, keys, tenantId, { openedAt });
  await identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, [openingOf(session)]));

  const sealed = async () =>
    (await store.superuser.query("SELECT FROM log_entry WHERE kind = 'block'")).length === 1 &&
    parseCheckpoint((await anchors.read({ name: "acme" })) ?? "").size ===
      (await store.superuser.query("SELECT FROM log_entry")).length;
  for (const end = Date.now() + 50_000; !(await sealed()); await new Promise((wait) => setTimeout(wait, 50))) {
    if (Date.now() > end) throw new Error("the block was not sealed in time");
  }
  expect(await store.superuser.query("SELECT reason FROM closed_block")).toEqual([{ reason: "SessionExpired" }]);
  await operator.stop(AbortSignal.timeout(25_000));
  running = undefined;
  const verdict = await database.read(async (tx) =>
    verifyLedger(new LedgerReader(tx, tenantId), keys.pinned, await anchors.read({ name: "acme" }), {
      requireAnchor: true,
    }),
  );
  expect(verdict).toMatchObject({ status: "Intact", anchor: "Matched", findings: [], counts: { blocks: 1 } });
}, 60_000);
