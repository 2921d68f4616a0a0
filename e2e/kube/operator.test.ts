import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseProgramKeyFile } from "@heauth/core/keys";
import { parseCheckpoint } from "@heauth/core/ledger";
import { LedgerWriter } from "@heauth/store";
import { insertSession, insertTenant, openingOf } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { API_SERVER_STARTS_WITHIN_MS, describeKube } from "./jest.ts";
import type { ProgramProcess } from "./operator-process.ts";
import { conditionOf, type OperatorRig, startOperatorRig, UNHURRIED_LEASE } from "./operator-rig.ts";

const tenant = (spec: object = {}) => ({
  apiVersion: "heauth.io/v1alpha1",
  kind: "Tenant",
  metadata: { name: "acme" },
  spec: {
    audiences: ["shop"],
    allowedNamespaces: { from: "Selector", selector: { matchLabels: { team: "acme" } } },
    ...spec,
  },
});
const policy = (spec: object = {}) => ({
  apiVersion: "heauth.io/v1alpha1",
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
const namespace = (labels: object) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels } });

describeKube("heauth operator on a real API server and a real database", () => {
  let rig: OperatorRig;
  let operator: ProgramProcess;
  beforeAll(async () => {
    rig = await startOperatorRig({ lease: UNHURRIED_LEASE });
    operator = await rig.startOperator();
    await operator.ready();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  const rows = <Row extends object>(sql: string) => rig.store.superuser.query<Row>(sql);

  test("what is applied with kubectl comes into force, and kubectl shows that", async () => {
    await rig.apply(namespace({ team: "acme" }), tenant(), policy());
    const acme = await rig.until("tenant/acme", (each) => conditionOf(each, "Ready") === "True");
    const web = await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "True", {
      namespace: "shop",
    });
    expect(await rows("SELECT id, name, managed_by FROM tenant")).toEqual([
      { id: acme.status?.tenantId, name: "acme", managed_by: "Resource" },
    ]);
    expect(await rows("SELECT namespace, name, digest FROM policy")).toEqual([
      { namespace: "shop", name: "web", digest: web.status?.policyDigest },
    ]);
    expect(acme.metadata.finalizers).toEqual(["heauth.io/tenant-data"]);
    expect(conditionOf(web, "Accepted")).toBe("True");
    for (const { status, metadata } of [acme, web]) {
      expect(status?.observedGeneration).toBe(metadata.generation);
      for (const condition of status?.conditions ?? []) {
        expect(condition.observedGeneration).toBe(metadata.generation);
        expect(condition.lastTransitionTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      }
    }
    const sealed = await rig.until("tenant/acme", ({ status }) => (status?.ledger?.size ?? -1) >= 0);
    const { ledger } = sealed.status ?? {};
    expect(parseCheckpoint(ledger?.note ?? "")).toMatchObject({
      tenant: acme.status?.tenantId,
      epoch: ledger?.epoch,
      size: ledger?.size,
    });
    expect(await rig.kubectl("get", "tenants")).toMatch(
      /^NAME +READY +SEALED +CHECKPOINT +AGE\nacme +True +\d+ +\S+ +\S+\n$/,
    );
    expect(await rig.kubectl("describe", "tenant", "acme")).toMatch(/Normal +Ready .*heauth.io\/operator/);
  }, 120_000);

  test("a namespace that loses its label loses the policy, and has it back with the label", async () => {
    await rig.apply(namespace({ team: "globex" }));
    await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "False", { namespace: "shop" });
    expect(await rows("SELECT name FROM policy")).toEqual([]);
    await rig.apply(namespace({ team: "acme" }));
    await rig.until("authpolicy/web", (each) => conditionOf(each, "ResolvedRefs") === "True", { namespace: "shop" });
    expect(await rows("SELECT name FROM policy")).toEqual([{ name: "web" }]);
  }, 120_000);

  test("it tells how it does: leader, queue, reconciling, informers, log, anchors", async () => {
    expect(await operator.metric("heauth_leader")).toBe(1);
    expect(await operator.metric("heauth_queue_depth")).toBe(0);
    expect(await operator.metric("heauth_reconcile_seconds_count")).toBeGreaterThan(1);
    expect(await operator.metric("heauth_reconciles_total", { kind: "Tenant", outcome: "ok" })).toBeGreaterThan(0);
    expect(await operator.metric("heauth_reconciles_total", { outcome: "error" })).toBe(0);
    expect(await operator.metric("heauth_informer_objects", { informer: "tenants" })).toBe(1);
    expect(await operator.metric("heauth_informer_lag_seconds", { informer: "tenants" })).toBeLessThan(90);
    expect(await operator.metric("heauth_log_size")).toBeGreaterThanOrEqual(0);
    expect(await operator.metric("heauth_anchor_writes_total", { outcome: "ok" })).toBeGreaterThan(0);
    expect((await operator.probe("healthz")).status).toBe(200);
  });

  test("of Secrets it reads only those of its own namespace that are labelled for a tenant", async () => {
    const asked = (await rig.api.audit()).filter(
      (event) => event.objectRef?.resource === "secrets" && event.user?.username?.endsWith(":heauth-operator"),
    );
    expect(asked.length).toBeGreaterThan(0);
    for (const { requestURI } of asked) {
      expect(requestURI).toMatch(
        /^\/api\/v1\/namespaces\/heauth-system\/secrets\?.*labelSelector=heauth\.io%2Ftenant(&|$)/,
      );
    }
  });

  test("SIGTERM ends it with 0, with its anchors written and the Lease given back", async () => {
    expect(await rig.leader()).not.toBe("");
    expect(await operator.stop()).toBe(0);
    expect(await rig.leader()).toBe("");
    const [head] = await rows<{ size: number }>("SELECT size FROM log_head");
    expect((await rig.get("tenant/acme")).status?.ledger?.size).toBe(Number(head?.size));
    expect(await rows("SELECT FROM journal_head WHERE NOT final")).toEqual([]);
    const bad = operator.log.filter(({ level }) => level === "error" || level === "fatal");
    expect(bad).toEqual([]);
  }, 120_000);

  test("another one takes over, seals what the former one recorded at its end, and nothing else", async () => {
    const stored = await rows("SELECT * FROM policy");
    const next = await rig.startOperator();
    const size = async () => Number((await rows<{ size: number }>("SELECT size FROM log_head"))[0]?.size);
    await next.said(({ msg }) => msg === "everything has been reconciled once");
    expect(
      await eventually(
        () => rows("SELECT FROM seal_queue"),
        ({ length }) => length === 0,
      ),
    ).toEqual([]);
    const sealed = await size();
    await rig.until("tenant/acme", ({ status }) => status?.ledger?.size === sealed);
    expect(await rows("SELECT * FROM policy")).toEqual(stored);
    expect(await next.stop()).toBe(0);
    expect(await size()).toBe(sealed);
  }, 120_000);

  test("one that starts where nothing has changed writes nothing", async () => {
    const seen = async () => [
      await rig.get("tenant/acme"),
      await rig.get("authpolicy/web", "shop"),
      await rows("SELECT * FROM policy, tenant, log_head, outbox_head"),
    ];
    const before = await seen();
    const next = await rig.startOperator();
    await next.said(({ msg }) => msg === "everything has been reconciled once");
    expect(await next.stop()).toBe(0);
    expect(await seen()).toEqual(before);
  }, 120_000);
});

describeKube("heauth operator before there is anything", () => {
  let rig: OperatorRig;
  beforeAll(async () => {
    rig = await startOperatorRig({ migrated: false });
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  test("waits for the schema, lives meanwhile, and never makes it itself", async () => {
    const operator = await rig.startOperator();
    await operator.said(({ msg }) => /waiting for the database: .*heauth migrate/.test(String(msg)));
    expect(await operator.probe("healthz")).toEqual({ status: 200, problems: {} });
    expect(await operator.probe("readyz")).toMatchObject({
      status: 503,
      problems: { database: expect.stringMatching(/heauth migrate/) },
    });
    expect(await operator.stop()).toBe(0);
    expect(await rig.store.superuser.query("SELECT FROM pg_namespace WHERE nspname = 'heauth'")).toEqual([]);
  }, 120_000);
});

describeKube("heauth operator while the API server is away", () => {
  let rig: OperatorRig;
  beforeAll(async () => {
    rig = await startOperatorRig();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => rig?.stop());

  test("does its work on the database from the start, and reconciles as soon as it can", async () => {
    const { superuser } = rig.store;
    const tenantId = await insertTenant(superuser, "acme");
    const openedAt = (Date.now() - 13 * 3_600_000) * 1000;
    const programKey = parseProgramKeyFile(await readFile(join(rig.keys, "identity.json"), "utf8"), "identity");
    const session = await insertSession(superuser, { identity: programKey }, tenantId, { openedAt });
    const identity = await rig.store.database("heauth_identity");
    const writer = new LedgerWriter({ program: "identity", programKey });
    await identity.tenantTransaction(tenantId, (tx) => writer.append(tx, tenantId, [openingOf(session)]));
    const door = await rig.api.proxied();
    const kubeconfig = await door.kubeconfig(rig.account);
    door.refuse();

    const operator = await rig.startOperator({ kubeconfig });
    const reason = async () =>
      (
        await superuser.query<{ close_reason: string }>("SELECT close_reason FROM session WHERE id = $1", [session.id])
      )[0]?.close_reason;
    expect(await eventually(reason, (why) => why === "SessionExpired", 60_000)).toBe("SessionExpired");
    expect(await operator.probe("healthz")).toMatchObject({ status: 200 });
    expect(await operator.probe("readyz")).toMatchObject({ status: 503, problems: { resources: expect.any(String) } });
    expect(await rig.leader()).toBe("");

    await rig.apply(namespace({ team: "acme" }), { ...tenant(), metadata: { name: "globex" } });
    door.allow();
    await rig.until("tenant/globex", (each) => conditionOf(each, "Ready") === "True");
    await operator.ready();
    door.refuse();
    // What it knows it goes on with; an end does not wait for the API server.
    expect(await operator.stop()).toBe(0);
  }, 120_000);
});
