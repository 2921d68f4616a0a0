import { defaultTenantSettings } from "@heauth/core/resources";
import { newTagKey } from "@heauth/core/tokens";
import { uuidv7 } from "@heauth/program";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "./database.ts";
import { insertSegments, LedgerWriter } from "./ledger/index.ts";
import { putPolicy } from "./policies.ts";
import { notePolicyAck } from "./policy-acks.ts";
import { resourceNames } from "./resource-names.ts";
import { addTagKey } from "./tag-keys.ts";
import {
  createTenant,
  dropTenant,
  endTenant,
  putTenant,
  someOpenSessions,
  type TenantOfResource,
  tenantHolding,
} from "./tenant-resources.ts";
import { listTenants, tenantById, tenantByName } from "./tenants.ts";
import {
  decision,
  logIn,
  makeUser,
  newSession,
  type TestDatabase,
  TestJournal,
  testDatabase,
  testKeys,
} from "./testing/index.ts";

const keys = testKeys();
const recorder = new LedgerWriter({ program: "operator", programKey: keys.operator });
const logins = new LedgerWriter({ program: "identity", programKey: keys.identity });
let store: TestDatabase;
let operator: Database;
let identity: Database;
let hub: Database;
beforeAll(async () => {
  store = await testDatabase();
  operator = await store.database("heauth_operator");
  identity = await store.database("heauth_identity");
  hub = await store.database("heauth_hub");
});
afterAll(() => store.drop());

const settings = defaultTenantSettings("acme", ["shop"]);
const wanted = { settings, resourceUid: "uid-1", reclaimPolicy: "Retain" } as const;
async function resourceTenant(name: string, of: object = {}): Promise<string> {
  const id = uuidv7();
  await operator.transaction((tx) => createTenant(tx, { id, name, ...wanted, ...of }));
  return id;
}
const holding = (name: string) => operator.read((tx) => tenantHolding(tx, name));
const kindsOf = async (tenant: string) =>
  (
    await store.superuser.query<{ kind: string }>("SELECT kind FROM outbox WHERE tenant_id = $1 ORDER BY seq", [tenant])
  ).map(({ kind }) => kind);

describe("a tenant of a resource", () => {
  test("is what its resource says, and tells of each change", async () => {
    const id = await resourceTenant("acme");
    const stored = { id, name: "acme", managedBy: "Resource", ...wanted, deleted: false, hasTagKey: false };
    expect(await holding("acme")).toEqual(stored);
    expect(await hub.read((tx) => tx.query("SELECT name FROM tenant WHERE id = $1", [id]))).toEqual([{ name: "acme" }]);
    await operator.transaction((tx) => addTagKey(tx, id, newTagKey()));
    const next: TenantOfResource = {
      settings: { ...settings, audiences: ["web"] },
      resourceUid: "uid-2",
      reclaimPolicy: "Delete",
    };
    await operator.transaction((tx) => putTenant(tx, id, next));
    expect(await holding("acme")).toEqual({ ...stored, ...next, hasTagKey: true });
    expect(await operator.read((tx) => tenantById(tx, id))).toMatchObject({ settings: { audiences: ["web"] } });
    expect(await kindsOf(id)).toEqual(["tenant.changed", "tenant.changed"]);
    await expect(operator.transaction((tx) => putTenant(tx, uuidv7(), next))).rejects.toMatchObject({
      code: "NotFound",
    });
    await expect(resourceTenant("acme")).rejects.toMatchObject({ code: "AlreadyExists", field: "name" });
  });

  test("that has ended is found no more, keeps its name, and comes back with its id", async () => {
    const id = await resourceTenant("gone");
    await operator.transaction((tx) => endTenant(tx, id, "Retain"));
    expect(await operator.read((tx) => tenantByName(tx, "gone"))).toBeUndefined();
    expect((await operator.read(listTenants)).map(({ name }) => name)).not.toContain("gone");
    expect((await operator.read(resourceNames)).tenants).not.toContain("gone");
    await expect(resourceTenant("gone")).rejects.toMatchObject({ code: "AlreadyExists", field: "name" });
    expect(await holding("gone")).toMatchObject({ id, deleted: true });
    await operator.transaction((tx) => putTenant(tx, id, wanted));
    expect(await operator.read((tx) => tenantByName(tx, "gone"))).toMatchObject({ id });
    await operator.transaction((tx) => endTenant(tx, id, "Delete"));
    expect((await operator.read(resourceNames)).tenants).toContain("gone");
  });

  test("is no tenant of the API's, and none of those is it", async () => {
    const [{ id } = { id: "" }] = await store.superuser.query<{ id: string }>(
      `INSERT INTO tenant (id, name, managed_by, settings, email, password_hash)
       VALUES (gen_random_uuid(), 'own', 'API', '{}', 'own@acme.test', 'x') RETURNING id`,
    );
    await expect(operator.transaction((tx) => putTenant(tx, id, wanted))).rejects.toMatchObject({ code: "NotFound" });
    await expect(operator.transaction((tx) => endTenant(tx, id, "Delete"))).rejects.toMatchObject({ code: "NotFound" });
    expect(await holding("own")).toMatchObject({ managedBy: "API", deleted: false });
  });
});

describe("a tenant that is dropped", () => {
  const rowsOf = async (tenant: string) => {
    const tables = await store.superuser.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind = 'r' ORDER BY 1`,
    );
    const counts: Record<string, number> = {};
    for (const { name } of tables) {
      const [row] = await store.superuser.query<{ n: number }>(
        `SELECT count(*) AS n FROM ${name} WHERE tenant_id = $1`,
        [tenant],
      );
      counts[name] = row?.n ?? -1;
    }
    return counts;
  };

  async function lived(name: string): Promise<string> {
    const id = await resourceTenant(name);
    await operator.transaction((tx) => addTagKey(tx, id, newTagKey()));
    const user = await makeUser(identity, id, "jo", { roles: ["nurse"] });
    const session = await logIn(identity, logins, newSession(keys, id, user, { login: "jo" }));
    const journal = new TestJournal(id, keys.hub);
    await hub.transaction(async (tx) => {
      await journal.register(tx, keys.hub);
      await insertSegments(tx, id, journal.id, [
        journal.seal(decision(session, { decision: "Deny", reason: "BadSignature" })),
      ]);
    });
    const policy = {
      tenantId: id,
      namespace: name,
      name: "web",
      digest: `sha256:${"0".repeat(64)}`,
      compiled: Buffer.from("x"),
    };
    await operator.tenantTransaction(id, (tx) => putPolicy(tx, recorder, { ...policy, selector: {}, createdAtMs: 1 }));
    const ack = { tenantId: id, namespace: name, name: "web", pod: `${name}/p`, digest: "d", enforced: true };
    await hub.transaction((tx) => notePolicyAck(tx, { ...ack, missingFeatures: [], message: "" }));
    await store.superuser.query("INSERT INTO auditor VALUES ($1, $2)", [`auditor-${name}`, id]);
    return id;
  }

  test("leaves no row in any table, whatever refers to whatever; another tenant's stay, and its name is free", async () => {
    const [id, other] = [await lived("dropped"), await lived("stays")];
    const before = await rowsOf(other);
    expect(Object.values(await rowsOf(id)).filter((n) => n > 0).length).toBeGreaterThan(12);
    await operator.transaction((tx) => endTenant(tx, id, "Delete"));
    expect(await operator.read((tx) => someOpenSessions(tx, id, 10))).toHaveLength(1);
    // One row at a time: every place where it can be interrupted.
    await dropTenant(operator, id, 1);
    expect(Object.entries(await rowsOf(id)).filter(([, n]) => n !== 0)).toEqual([]);
    expect(await holding("dropped")).toBeUndefined();
    expect(await rowsOf(other)).toEqual(before);
    await dropTenant(operator, id);
    await resourceTenant("dropped");
  });

  test.each([
    ["sealing", "SELECT FROM log_head WHERE tenant_id = $1 FOR NO KEY UPDATE"],
    ["recording", "SELECT FROM journal_head WHERE tenant_id = $1 FOR NO KEY UPDATE"],
  ])("is not dropped in the middle of somebody's %s, who goes on first", async (what, lock) => {
    const id = await lived(`busy-${what}`);
    await store.superuser.query(
      "INSERT INTO log_head (tenant_id, epoch, size, root, frontier) VALUES ($1, 0, 0, '', '')",
      [id],
    );
    await operator.transaction((tx) => endTenant(tx, id, "Delete"));
    const dropping = await operator.transaction(async (tx) => {
      await tx.query(lock, [id]);
      const dropped = dropTenant(operator, id);
      await store.someoneWaits();
      // By its foreign key it locks the tenant.
      await tx.query("INSERT INTO seal_queue (tenant_id, kind, journal_id, number) VALUES ($1, 'segment', $2, 7)", [
        id,
        uuidv7(),
      ]);
      return { dropped };
    });
    await dropping.dropped;
    expect(await store.superuser.query("SELECT FROM tenant WHERE id = $1", [id])).toEqual([]);
  });

  test("is deleted by way of keys that every table has: none with a tenant is out of reach", async () => {
    const unreached = await store.superuser.query(
      `WITH RECURSIVE referring (oid) AS (
         SELECT 'heauth.tenant'::regclass::oid
         UNION SELECT c.conrelid FROM referring r JOIN pg_constraint c ON c.contype = 'f' AND c.confrelid = r.oid
       )
       SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
        WHERE c.relnamespace = 'heauth'::regnamespace AND c.relkind = 'r' AND c.oid NOT IN (SELECT oid FROM referring)`,
    );
    expect(unreached).toEqual([]);
  });

  test.each([
    ["is in use", "UPDATE tenant SET deleted_at = NULL, reclaim_policy = 'Delete' WHERE id = $1"],
    ["is to be retained", "UPDATE tenant SET deleted_at = now(), reclaim_policy = 'Retain' WHERE id = $1"],
  ])("must not be one that %s", async (_, sql) => {
    const id = await resourceTenant(`kept-${uuidv7()}`);
    await store.superuser.query(sql, [id]);
    await expect(dropTenant(operator, id)).rejects.toMatchObject({ code: "42501" });
    expect(await store.superuser.query("SELECT FROM tenant WHERE id = $1", [id])).toHaveLength(1);
  });

  test("is the operator's to drop: nobody else may, nor mark one for it; and what decides is not identity's to change", async () => {
    const id = await resourceTenant("rights");
    for (const role of ["heauth_identity", "heauth_hub", "heauth_auditor"] as const) {
      const database = await store.database(role);
      await expect(dropTenant(database, id)).rejects.toMatchObject({ code: "42501" });
    }
    const mark = "UPDATE tenant SET reclaim_policy = 'Delete'";
    await expect(identity.tenantTransaction(id, (tx) => tx.query(mark))).rejects.toMatchObject({ code: "42501" });
    const executors = await store.superuser.query(
      `SELECT DISTINCT a.grantee::regrole::text AS role FROM pg_proc p, aclexplode(p.proacl) a
        WHERE p.proname = 'drop_tenant' AND a.grantee <> p.proowner`,
    );
    expect(executors).toEqual([{ role: "heauth_operator" }]);
    const settings = await store.superuser.query(
      "SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'drop_tenant'",
    );
    expect(settings).toEqual([{ prosecdef: true, proconfig: ["search_path=pg_catalog, pg_temp"] }]);
  });
});
