// What others change behind the operator's back, in the database and in the cluster, is put right.
import { AUTH_POLICIES, type KubeObject, NAMESPACES, type ResourceType, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { namespaceObject, policyObject, tenantObject } from "../../operator/testing/kube-objects.ts";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, type Resource, startOperatorRig } from "./operator-rig.ts";

const RESYNC_MS = 3_000;
/** A tenth more than the time between two looks, and what a busy machine takes to look. */
const RIGHT_WITHIN_MS = RESYNC_MS * 1.1 + 1_000;

const SHOP = { namespace: "shop" };

describeKube("what is behind a resource", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;

  beforeAll(async () => {
    rig = await startOperatorRig();
    await rig.api.client.create(NAMESPACES, namespaceObject("shop"));
    operator = await rig.startOperator({ flags: ["--resync", `${RESYNC_MS}ms`] });
    await operator.ready();
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

  async function live(name: string, spec: object = {}): Promise<string> {
    await put(tenantObject(name, spec));
    await put(policyOf(name));
    await inForce(name);
    const { status } = await rig.until(`tenant/${name}`, (each) => each.status?.ledger !== undefined);
    return status?.tenantId ?? "";
  }

  /** Expects that what is asked becomes what it was, soon. */
  async function expectRighted<T>(ask: () => Promise<T>, spoil: () => Promise<unknown>): Promise<void> {
    const right = await ask();
    await spoil();
    const text = JSON.stringify(right);
    const found = await eventually(ask, (answer) => JSON.stringify(answer) === text, RIGHT_WITHIN_MS);
    expect(found).toEqual(right);
  }

  describe("in the database is put right", () => {
    const policies = () =>
      sql("SELECT tenant_id, namespace, name, digest, encode(compiled, 'hex') AS compiled, selector FROM policy");
    const tenants = () =>
      sql(
        `SELECT id, name, settings, reclaim_policy, resource_uid, deleted_at,
                (SELECT count(*) FROM tag_key WHERE tenant_id = tenant.id) AS keys FROM tenant ORDER BY id`,
      );
    beforeAll(() => live("acme"));

    test.each([
      [
        "bytes of a policy",
        `UPDATE policy SET compiled = replace(convert_from(compiled, 'UTF8'), 'Enforce', 'Shadow')::bytea`,
      ],
      ["digest of a policy", "UPDATE policy SET digest = 'sha256:' || repeat('0', 64)"],
      ["selector of a policy", `UPDATE policy SET selector = '{"matchLabels":{"app":"nobody"}}'`],
      ["age of a policy", "UPDATE policy SET created_at_ms = 1"],
      ["policy deleted", "DELETE FROM policy"],
      [
        "policy that nobody wrote",
        `INSERT INTO policy (tenant_id, namespace, name, digest, compiled, selector, created_at_ms)
         SELECT tenant_id, namespace, 'sneaked', digest, compiled, selector, 0 FROM policy`,
      ],
    ])(
      "%s",
      async (_, statement) => {
        await expectRighted(policies, () => sql(statement));
      },
      60_000,
    );

    test.each([
      ["settings of a tenant", `UPDATE tenant SET settings = jsonb_set(settings, '{sessions,idleTimeoutMs}', '1')`],
      ["reclaim policy of a tenant", "UPDATE tenant SET reclaim_policy = 'Delete'"],
      ["tenant marked as deleted", "UPDATE tenant SET deleted_at = now()"],
    ])(
      "%s",
      async (_, statement) => {
        await expectRighted(tenants, () => sql(statement));
        expect(conditionOf(await rig.get("tenant/acme"), "Ready")).toBe("True");
      },
      60_000,
    );

    test("and everybody who goes by it is told: the outbox has each of them", async () => {
      const before = await sql("SELECT FROM outbox WHERE kind = 'policy.changed'");
      await expectRighted(policies, () => sql("UPDATE policy SET digest = 'sha256:' || repeat('0', 64)"));
      expect(await sql("SELECT FROM outbox WHERE kind = 'policy.changed'")).toHaveLength(before.length + 1);
    }, 60_000);
  });

  describe("in the cluster is put right", () => {
    beforeAll(() => live("initech"));
    const status = async (type: ResourceType, name: string) => {
      const place = type === TENANTS ? { name } : { namespace: "shop", name };
      const found = (await rig.api.client.get<KubeObject>(type, place)) as unknown as Resource;
      const { conditions = [], ...rest } = found.status ?? {};
      const said = conditions.map(({ lastTransitionTime: _, ...each }) => each);
      return { ...rest, conditions: said.sort((a, b) => (a.type < b.type ? -1 : 1)) };
    };
    const patch = (type: ResourceType, name: string, wrong: object) => {
      const place = type === TENANTS ? { name } : { namespace: "shop", name };
      return rig.api.client.patch(type, place, { status: wrong }, { subresource: "status" });
    };
    const lie = [
      {
        ...{ type: "Accepted", status: "False", reason: "Lie", message: "x" },
        ...{ lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1 },
      },
    ];

    test.each([
      ["conditions of a policy", AUTH_POLICIES, { conditions: lie }],
      ["no conditions of a policy", AUTH_POLICIES, { conditions: null }],
      ["digest of a policy", AUTH_POLICIES, { policyDigest: `sha256:${"0".repeat(64)}` }],
      ["generation of a policy", AUTH_POLICIES, { observedGeneration: 77 }],
      ["pods of a policy", AUTH_POLICIES, { pods: { selected: 9, injected: 9, synced: 9 } }],
      ["conditions of a tenant", TENANTS, { conditions: [{ ...lie[0], type: "Ready" }] }],
    ])(
      "%s",
      async (_, type, wrong) => {
        await expectRighted(
          () => status(type, "initech"),
          () => patch(type, "initech", wrong),
        );
      },
      60_000,
    );

    test.each([
      ["an anchor that goes back", { ledger: { size: 0, note: "x" } }],
      ["another id", { tenantId: "01920000-0000-7000-8000-000000000000" }],
    ])("%s is refused", async (_, wrong) => {
      await expect(patch(TENANTS, "initech", wrong)).rejects.toMatchObject({ code: "Invalid" });
    });

    test("the finalizer that a Tenant's data needs", async () => {
      const finalizers = async () => (await rig.get("tenant/initech")).metadata.finalizers;
      await expectRighted(finalizers, () =>
        rig.api.client.patch(TENANTS, { name: "initech" }, { metadata: { finalizers: null } }),
      );
    }, 60_000);
  });

  test("nothing of all that went wrong", async () => {
    expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
    expect(operator.log.filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
  });
});
