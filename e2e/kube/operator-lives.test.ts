// What people may ask for of a resource's life: paused, Retain, Delete, adopt.
import { AUTH_POLICIES, CONFIG_MAPS, type KubeObject, NAMESPACES, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { namespaceObject, policyObject, tenantObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, RELEASE_NAMESPACE, type Resource, startOperatorRig } from "./operator-rig.ts";
import { type Logins, loginsOf } from "./testing/tenancy.ts";

const SHOP = { namespace: "shop" };

describeKube("lives of Tenants and AuthPolicies", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  let logins: Logins;

  beforeAll(async () => {
    rig = await startOperatorRig({ anchorInterval: "3s" });
    await rig.api.client.create(NAMESPACES, namespaceObject("shop"));
    operator = await rig.startOperator();
    await operator.ready();
    logins = await loginsOf(rig);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  const sql = <Row extends object = Record<string, unknown>>(text: string, ...params: unknown[]) =>
    rig.store.superuser.query<Row>(text, params);
  const put = (object: KubeObject) =>
    rig.api.client.apply<KubeObject>(object.kind === "Tenant" ? TENANTS : AUTH_POLICIES, object, {
      fieldManager: "somebody",
    });
  const policyOf = (name: string, spec: object = {}) => policyObject("shop", name, { tenantRef: { name }, ...spec });
  const inForce = (name: string) =>
    rig.until(`authpolicy/${name}`, (each) => conditionOf(each, "ResolvedRefs") === "True", SHOP);
  const generation = (what: string, wanted: number | undefined, options = {}) =>
    rig.until(what, ({ status }) => status?.observedGeneration === wanted, options);

  async function live(name: string, spec: object = {}): Promise<string> {
    await put(tenantObject(name, spec));
    await put(policyOf(name));
    await inForce(name);
    const { status } = await rig.until(`tenant/${name}`, (each) => each.status?.ledger !== undefined);
    return status?.tenantId ?? "";
  }

  describe("paused", () => {
    const idle = async (name: string) =>
      (
        await sql<{ ms: string }>(
          "SELECT settings #>> '{sessions,idleTimeoutMs}' AS ms FROM tenant WHERE name = $1",
          name,
        )
      )[0]?.ms;
    const mode = async (name: string) =>
      (
        await sql<{ mode: string }>(
          "SELECT convert_from(compiled, 'UTF8')::json ->> 'mode' AS mode FROM policy WHERE name = $1",
          name,
        )
      )[0]?.mode;

    test("a policy stays as it was compiled last, until it is not paused any more", async () => {
      await live("hooli");
      const { metadata } = await put(policyOf("hooli", { mode: "Shadow", paused: true }));
      const paused = await generation("authpolicy/hooli", metadata.generation, SHOP);
      expect(conditionOf(paused, "Paused")).toBe("True");
      expect(conditionOf(paused, "Accepted")).toBe("True");
      expect(await mode("hooli")).toBe("Enforce");
      const resumed = await put(policyOf("hooli", { mode: "Shadow" }));
      expect(conditionOf(await generation("authpolicy/hooli", resumed.metadata.generation, SHOP), "Paused")).toBe("");
      expect(await mode("hooli")).toBe("Shadow");
    });

    test("a tenant, and all its policies with it; also what somebody changed in the database", async () => {
      const pause = await put(tenantObject("hooli", { sessions: { idleTimeout: "5m" }, paused: true }));
      const paused = await generation("tenant/hooli", pause.metadata.generation);
      expect(conditionOf(paused, "Paused")).toBe("True");
      expect(conditionOf(paused, "Ready")).toBe("True");
      const { metadata } = await put(policyOf("hooli", { mode: "Enforce" }));
      const web = await generation("authpolicy/hooli", metadata.generation, SHOP);
      expect(conditionOf(web, "Paused")).toBe("True");
      expect([await idle("hooli"), await mode("hooli")]).toEqual(["1800000", "Shadow"]);
      const resume = await put(tenantObject("hooli", { sessions: { idleTimeout: "5m" } }));
      expect(conditionOf(await generation("tenant/hooli", resume.metadata.generation), "Paused")).toBe("");
      expect(
        await eventually(
          () => mode("hooli"),
          (each) => each === "Enforce",
        ),
      ).toBe("Enforce");
      expect(await idle("hooli")).toBe("300000");
    });

    test("a tenant that always was is not there", async () => {
      const { metadata } = await put(tenantObject("later", { paused: true }));
      const later = await generation("tenant/later", metadata.generation);
      expect(later.status?.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
        status: "False",
        reason: "NotCreated",
      });
      expect(await sql("SELECT FROM tenant WHERE name = 'later'")).toEqual([]);
    });

    test("a policy that is deleted goes all the same", async () => {
      await put(policyOf("hooli", { paused: true }));
      await rig.api.client.remove(AUTH_POLICIES, { namespace: "shop", name: "hooli" });
      expect(
        await eventually(
          () => mode("hooli"),
          (each) => each === undefined,
        ),
      ).toBeUndefined();
    });
  });

  /** Tables in which something of the tenant is. */
  async function tablesWith(id: string): Promise<string[]> {
    const columns = await sql<{ table: string; column: string }>(
      `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name) WHERE table_schema = 'heauth' AND table_type = 'BASE TABLE'
          AND (column_name = 'tenant_id' OR (table_name = 'tenant' AND column_name = 'id')) ORDER BY 1`,
    );
    const found = [];
    for (const { table, column } of columns) {
      if ((await sql(`SELECT FROM ${table} WHERE ${column} = $1 LIMIT 1`, id)).length > 0) found.push(table);
    }
    return found;
  }
  const gone = (what: string) =>
    eventually(
      async () => (await rig.api.kubectl(["get", what])).code,
      (code) => code === 1,
      20_000,
    );
  const retained = async (id: string) => {
    const place = { namespace: RELEASE_NAMESPACE, name: `heauth-anchor-${id}` };
    const { items } = await rig.api.client.list<KubeObject>(CONFIG_MAPS, { namespace: RELEASE_NAMESPACE });
    return items.some(({ metadata }) => metadata.name === place.name);
  };

  test("reclaimPolicy Delete: with the Tenant goes all that there was of it", async () => {
    const id = await live("umbrella", { reclaimPolicy: "Delete" });
    await logins.open(id);
    expect(await tablesWith(id)).toEqual(
      expect.arrayContaining(["tenant", "session", "session_key", "policy", "segment"]),
    );
    await rig.kubectl("delete", "tenant", "umbrella");
    expect(await gone("tenant/umbrella")).toBe(1);
    // Sidecars that come back are to hear of it.
    expect((await tablesWith(id)).filter((table) => table !== "outbox")).toEqual([]);
    expect(await retained(id)).toBe(false);
    const orphan = await rig.until(
      "authpolicy/umbrella",
      (each) => conditionOf(each, "ResolvedRefs") === "False",
      SHOP,
    );
    expect(orphan.status?.policyDigest).toBeUndefined();
  }, 60_000);

  test("reclaimPolicy Retain: sessions end, policies go, the ledger and its anchor stay, and only the annotation gives them back", async () => {
    const id = await live("wayne");
    const session = await logins.open(id);
    const before = await rig.until("tenant/wayne", ({ status }) => (status?.ledger?.size ?? 0) > 0, {
      withinMs: 40_000,
    });
    await rig.kubectl("delete", "tenant", "wayne");
    expect(await gone("tenant/wayne")).toBe(1);
    expect(await sql("SELECT close_reason FROM session WHERE id = $1", session)).toEqual([
      { close_reason: "TenantDeleted" },
    ]);
    expect(await sql("SELECT FROM session_key WHERE tenant_id = $1", id)).toEqual([]);
    expect(await sql("SELECT FROM policy WHERE tenant_id = $1", id)).toEqual([]);
    expect(await tablesWith(id)).toEqual(
      expect.arrayContaining(["tenant", "segment", "log_entry", "log_head", "checkpoint"]),
    );
    expect(await retained(id)).toBe(true);

    await put(tenantObject("wayne"));
    const ready = ({ status }: Resource) => status?.conditions?.find(({ type }) => type === "Ready");
    const refused = await rig.until("tenant/wayne", (each) => ready(each) !== undefined);
    expect(ready(refused)).toMatchObject({
      status: "False",
      reason: "DataRetained",
      message: expect.stringContaining(`heauth.io/adopt: ${id}`),
    });
    expect(refused.status?.tenantId).toBeUndefined();
    await rig.until("authpolicy/wayne", (each) => conditionOf(each, "ResolvedRefs") === "False", SHOP);

    await put(tenantObject("wayne", {}, { "heauth.io/adopt": "01920000-0000-7000-8000-000000000000" }));
    await rig.until("tenant/wayne", (each) => ready(each)?.reason === "AdoptionMismatch");
    expect(await sql("SELECT FROM tenant WHERE name = 'wayne' AND deleted_at IS NULL")).toEqual([]);

    await put(tenantObject("wayne", {}, { "heauth.io/adopt": id }));
    const adopted = await rig.until("tenant/wayne", (each) => conditionOf(each, "Ready") === "True");
    expect(adopted.status?.tenantId).toBe(id);
    await inForce("wayne");
    const sealed = await rig.until("tenant/wayne", (each) => each.status?.ledger !== undefined);
    expect(sealed.status?.ledger?.epoch).toBe(before.status?.ledger?.epoch);
    const size = before.status?.ledger?.size ?? Number.POSITIVE_INFINITY;
    expect(sealed.status?.ledger?.size).toBeGreaterThanOrEqual(size);
    const head = async () =>
      (await sql<{ size: number }>("SELECT size FROM log_head WHERE tenant_id = $1", id))[0]?.size ?? 0;
    expect(await eventually(head, (now) => now > size)).toBeGreaterThan(size);
  }, 90_000);

  test("nothing of all that went wrong", async () => {
    expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
    expect(operator.log.filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
  });
});
