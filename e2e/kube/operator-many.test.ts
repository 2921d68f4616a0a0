import { AUTH_POLICIES, type KubeObject, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { type OperatorRig, startOperatorRig } from "./operator-rig.ts";

/** Enough to tell what grows with the square of it. */
const TENANT_COUNT = 400;
const POLICY_COUNT = 800;
const WITHIN_MS = 240_000;
const AT_ONCE = 16;

const tenant = (n: number): KubeObject & { spec: object } => ({
  metadata: { name: `t${n}` },
  spec: { audiences: ["shop"], allowedNamespaces: { from: "All" } },
});
const policy = (n: number): KubeObject & { spec: object } => ({
  metadata: { namespace: "default", name: `p${n}` },
  spec: {
    tenantRef: { name: `t${n % TENANT_COUNT}` },
    selector: { matchLabels: { app: `p${n}` } },
    ports: [{ port: 8080, protocol: "HTTP" }],
  },
});

describeKube(`heauth operator with ${TENANT_COUNT} tenants and ${POLICY_COUNT} policies`, () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;

  beforeAll(async () => {
    rig = await startOperatorRig();
    const todo = [
      ...Array.from({ length: TENANT_COUNT }, (_, n) => () => rig.api.client.create(TENANTS, tenant(n))),
      ...Array.from({ length: POLICY_COUNT }, (_, n) => () => rig.api.client.create(AUTH_POLICIES, policy(n))),
    ];
    const work = async () => {
      for (let next = todo.pop(); next !== undefined; next = todo.pop()) await next();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }, API_SERVER_STARTS_WITHIN_MS + WITHIN_MS);
  afterAll(() => rig?.stop());

  const reconciles = () => operator.metric("heauth_reconciles_total");
  const count = async (sql: string) => (await rig.store.superuser.query(sql)).length;

  test(
    "takes all of them up, each of them a few times at most",
    async () => {
      operator = await rig.startOperator();
      await operator.said(({ msg }) => msg === "everything has been reconciled once");
      expect(await count("SELECT FROM tenant")).toBe(TENANT_COUNT);
      expect(await count("SELECT FROM policy")).toBe(POLICY_COUNT);
      // The finalizer that it puts on a Tenant, and the Secrets and pods that there are not, are reasons to look again.
      const settled = await eventually(reconciles, () => false, 3_000);
      expect(settled).toBeLessThan(2 * (TENANT_COUNT + POLICY_COUNT));
      expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
    },
    WITHIN_MS,
  );

  test(
    "seals and anchors all of them",
    async () => {
      const unwritten = () => operator.metric("heauth_anchors_unwritten");
      const sealed = async () => await count("SELECT FROM log_head WHERE size > 0");
      expect(await eventually(sealed, (done) => done === TENANT_COUNT, WITHIN_MS / 2)).toBe(TENANT_COUNT);
      expect(await eventually(unwritten, (left) => left === 0, WITHIN_MS / 2)).toBe(0);
    },
    WITHIN_MS,
  );

  test("a tenant that changes concerns its own policies and no others", async () => {
    const before = await reconciles();
    const settings = async () =>
      (
        await rig.store.superuser.query<{ text: string }>("SELECT settings::text AS text FROM tenant WHERE name = 't7'")
      )[0]?.text;
    const written = await settings();
    await rig.api.client.patch(TENANTS, { name: "t7" }, { spec: { sessions: { idleTimeout: "5m" } } });
    expect(await eventually(settings, (text) => text !== written)).not.toBe(written);
    const after = await eventually(reconciles, () => false, 2_000);
    // The Tenant, once more for its generation, and its two policies.
    expect(after - before).toBeGreaterThanOrEqual(3);
    expect(after - before).toBeLessThan(10);
  });

  test(
    "begins again without writing anything",
    async () => {
      expect(await operator.stop()).toBe(0);
      const writes = async () =>
        (await rig.api.audit()).filter(
          ({ verb, user, objectRef }) =>
            verb === "patch" && user.username.endsWith(":heauth-operator") && objectRef?.resource === "authpolicies",
        ).length;
      const before = await writes();
      operator = await rig.startOperator();
      await operator.said(({ msg }) => msg === "everything has been reconciled once");
      expect(await writes()).toBe(before);
      expect(await operator.stop()).toBe(0);
    },
    WITHIN_MS,
  );
});
