import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs, createMetrics } from "@heauth/program";
import {
  AUTH_POLICIES,
  type ClusterClient,
  NAMESPACES,
  openCluster,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
  TENANTS,
} from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { namespaceObject, podObject, policyObject, secretObject, tenantObject } from "../../testing/kube-objects.ts";
import { keyText, type ResourceKey } from "../source.ts";
import { KubernetesSource } from "./kubernetes-source.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const ACME: ResourceKey = { kind: "Tenant", namespace: "", name: "acme" };
const PODS_EVERY_MS = 600;

describeKube("resources on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  const sources: KubernetesSource[] = [];
  let told: string[];
  let onTold: () => void;

  beforeAll(async () => {
    server = await startApiServer({ auditLog: false });
    api = server.client;
    for (const name of ["heauth-system", "shop", "other"]) {
      await api.create(NAMESPACES, namespaceObject(name));
      // A pod needs one, and there is no controller that makes it.
      await api.create(SERVICE_ACCOUNTS, { metadata: { namespace: name, name: "default" } });
    }
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  beforeEach(() => {
    told = [];
    onTold = () => {};
  });
  afterEach(async () => {
    for (const source of sources.splice(0)) await source.stop();
    const all = async (type: typeof TENANTS, namespace?: string) => {
      const { items } = await api.list(type, namespace === undefined ? {} : { namespace });
      for (const { metadata } of items) {
        const { namespace: space, name = "" } = metadata;
        await api.remove(type, space === undefined ? { name } : { namespace: space, name });
      }
    };
    await all(TENANTS);
    await all(AUTH_POLICIES);
    await all(SECRETS, "heauth-system");
  });

  function createSource(client = api): KubernetesSource {
    const source = new KubernetesSource({
      client,
      namespace: "heauth-system",
      log,
      metrics: createMetrics(),
      podsEveryMs: PODS_EVERY_MS,
    });
    sources.push(source);
    source.onChange((key) => {
      told.push(keyText(key));
      onTold();
    });
    return source;
  }
  async function started(): Promise<KubernetesSource> {
    const source = createSource();
    await source.start();
    told.length = 0;
    return source;
  }
  /** Resolves when it holds after something was told. */
  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        onTold = resolve;
      });
    }
  }

  test("what there is is read, with what the API server added, and told of", async () => {
    await api.create(TENANTS, tenantObject("acme", {}, { "heauth.io/adopt": "x" }));
    await api.create(AUTH_POLICIES, policyObject("shop", "web"));
    const { stdout } = await server.kubectl(["get", "tenant", "acme", "-o", "json", "--show-managed-fields"]);
    expect(JSON.parse(stdout).metadata.managedFields).toHaveLength(1);
    const source = createSource();
    await source.start();
    expect(told.sort()).toEqual(["AuthPolicy/shop/web", "Tenant//acme"]);
    expect(source.list("Tenant")).toEqual([ACME]);
    expect(source.list("AuthPolicy")).toEqual([{ kind: "AuthPolicy", namespace: "shop", name: "web" }]);
    const { inForce, problems, meta } = source.get("Tenant", "", "acme") ?? {};
    expect(problems).toEqual([]);
    expect(inForce?.spec.sessions.idleTimeout).toBe("30m");
    const { metadata } = JSON.parse(stdout);
    expect(meta).toEqual({
      uid: metadata.uid,
      generation: 1,
      createdAtMs: Date.parse(metadata.creationTimestamp),
      deleting: false,
      annotations: { "heauth.io/adopt": "x" },
      finalizers: [],
    });
  });

  test("changes are told of, statuses are not", async () => {
    await api.create(TENANTS, tenantObject("acme"));
    const source = await started();
    const status = { tenantId: "01a1fc26-9e5b-74f7-8bca-c5f097cf6ad6" };
    await api.patch(TENANTS, { name: "acme" }, { status }, { subresource: "status" });
    await api.patch(TENANTS, { name: "acme" }, { spec: { sessions: { idleTimeout: "5m" } } });
    await until(() => told.length > 0);
    expect(source.get("Tenant", "", "acme")?.inForce?.spec.sessions.idleTimeout).toBe("5m");
    expect(source.get("Tenant", "", "acme")?.meta.generation).toBe(2);
    expect(source.kept(ACME)?.status).toEqual(status);
    expect(source.get("Tenant", "", "acme")?.meta.tenantId).toBe(status.tenantId);
    expect(told).toEqual(["Tenant//acme"]);
  });

  test("what is not valid keeps the last good version, which the next process does not know", async () => {
    await api.create(TENANTS, tenantObject("acme", { sessions: { idleTimeout: "5m" } }));
    const source = await started();
    // The API server takes it, this version does not.
    await api.patch(TENANTS, { name: "acme" }, { spec: { registration: "Open" } });
    await until(() => told.length > 0);
    const seen = source.get("Tenant", "", "acme");
    expect(seen?.problems).toMatchObject([{ code: "NotSupported", field: "spec.registration" }]);
    expect(seen?.inForce?.spec).toMatchObject({ registration: "Closed", sessions: { idleTimeout: "5m" } });
    expect(seen?.meta.generation).toBe(2);
    const next = await started();
    expect(next.get("Tenant", "", "acme")).toMatchObject({ inForce: undefined, problems: [{ code: "NotSupported" }] });
  });

  test("another resource of the same name has nothing of the former one's", async () => {
    await api.create(TENANTS, tenantObject("acme"));
    const source = await started();
    const { uid } = source.get("Tenant", "", "acme")?.meta ?? {};
    await api.remove(TENANTS, { name: "acme" });
    await api.create(TENANTS, tenantObject("acme", { registration: "Open" }));
    await until(() => {
      const meta = source.get("Tenant", "", "acme")?.meta;
      return meta !== undefined && meta.uid !== uid;
    });
    // Whoever was frozen when he was about to write the former one's goes on now.
    const now = source.get("Tenant", "", "acme")?.meta.uid;
    await source.setFinalizer(ACME, now, true);
    await source.setFinalizer(ACME, uid, false);
    await expect(source.setFinalizer(ACME, uid, true)).rejects.toMatchObject({ code: "NotFound" });
    const { metadata } = await api.get(TENANTS, { name: "acme" });
    expect(metadata.finalizers).toEqual(["heauth.io/tenant-data"]);
    await source.setFinalizer(ACME, now, false);
    expect(source.get("Tenant", "", "acme")?.inForce).toBeUndefined();
  });

  test("a deletion that waits for a finalizer is seen, and ours leaves others' alone", async () => {
    await api.create(TENANTS, { ...tenantObject("acme"), metadata: { name: "acme", finalizers: ["test/other"] } });
    const source = await started();
    const { uid } = source.get("Tenant", "", "acme")?.meta ?? {};
    await source.setFinalizer(ACME, uid, true);
    await source.setFinalizer(ACME, uid, true);
    await until(() => source.get("Tenant", "", "acme")?.meta.finalizers.length === 2);
    expect(source.get("Tenant", "", "acme")?.meta.finalizers).toEqual(["test/other", "heauth.io/tenant-data"]);
    await api.remove(TENANTS, { name: "acme" });
    await until(() => source.get("Tenant", "", "acme")?.meta.deleting === true);
    await source.setFinalizer(ACME, uid, false);
    await until(() => source.get("Tenant", "", "acme")?.meta.finalizers.length === 1);
    await api.patch(TENANTS, { name: "acme" }, { metadata: { finalizers: null } });
    await until(() => source.get("Tenant", "", "acme") === undefined);
    await source.setFinalizer(ACME, uid, false);
    await expect(source.setFinalizer(ACME, uid, true)).rejects.toMatchObject({ code: "NotFound" });
  });

  test("Secrets are read where they are labelled, for the tenant that the label names", async () => {
    await api.create(SECRETS, secretObject("heauth-system", "plain", undefined, "hidden"));
    await api.create(SECRETS, secretObject("other", "hook", "acme", "elsewhere"));
    const source = await started();
    const value = (name: string, tenant = "acme") => source.secret(tenant, { name, key: "key" });
    expect(value("plain")).toEqual({ ok: false, reason: "NotFound" });
    expect(value("hook")).toEqual({ ok: false, reason: "NotFound" });
    await api.create(SECRETS, secretObject("heauth-system", "hook", "acme", "value"));
    await until(() => told.length > 0);
    expect(told).toEqual(["Tenant//acme"]);
    expect(value("hook")).toEqual({ ok: true, value: Buffer.from("value") });
    expect(value("hook", "globex")).toEqual({ ok: false, reason: "NotForTenant" });
    await api.patch(SECRETS, { namespace: "heauth-system", name: "hook" }, { metadata: { labels: null } });
    await until(() => told.length > 1);
    expect(value("hook")).toEqual({ ok: false, reason: "NotFound" });
  });

  test("a namespace's labels are known, and its policies told of when they change", async () => {
    await api.create(AUTH_POLICIES, policyObject("shop", "web"));
    await api.create(AUTH_POLICIES, policyObject("other", "web"));
    const source = await started();
    expect(source.namespaceLabels("nowhere")).toBeUndefined();
    await api.patch(NAMESPACES, { name: "shop" }, { metadata: { labels: { team: "acme" } } });
    await until(() => told.length > 0);
    expect(told).toEqual(["AuthPolicy/shop/web"]);
    expect(source.namespaceLabels("shop")).toMatchObject({ team: "acme" });
  });

  test("pods are told of to the policies that select them, many at once together", async () => {
    await api.create(AUTH_POLICIES, policyObject("shop", "web"));
    await api.create(AUTH_POLICIES, policyObject("shop", "api"));
    const source = await started();
    const names = Array.from({ length: 8 }, (_, n) => `web-${n}`);
    await Promise.all([
      ...names.map((name) => api.create(PODS, podObject("shop", name, { app: "web" }, { injected: true }))),
      api.create(PODS, podObject("shop", "web-plain", { app: "web" })),
    ]);
    await until(() => source.pods.of("shop").length === 9 && told.length >= 2);
    expect(told.length).toBeLessThan(9);
    expect(new Set(told)).toEqual(new Set(["AuthPolicy/shop/web"]));
    const injected = source.pods.of("shop").filter((pod) => pod.injected);
    expect(injected.map(({ name }) => name).sort()).toEqual(names);
    expect(source.pods.of("other")).toEqual([]);

    // One that has ended is nobody's any more; one that is relabelled concerns both policies.
    told.length = 0;
    await api.patch(
      PODS,
      { namespace: "shop", name: "web-0" },
      { status: { phase: "Succeeded" } },
      { subresource: "status" },
    );
    await api.patch(PODS, { namespace: "shop", name: "web-1" }, { metadata: { labels: { app: "api" } } });
    await until(() => told.includes("AuthPolicy/shop/api") && told.includes("AuthPolicy/shop/web"));
    await until(() => source.pods.of("shop").length === 8);
  });

  test("while the API server is away it waits for it, and later goes on with what it knows", async () => {
    await api.create(TENANTS, tenantObject("acme"));
    const door = await server.proxied();
    door.refuse();
    const { client } = await openCluster({ kubeconfig: await door.kubeconfig() });
    const source = createSource(client);
    const starting = source.start();
    expect(source.problem()).toMatch(/not been listed|cannot|connect|reach/);
    door.allow();
    await starting;
    expect(source.problem()).toBeUndefined();
    expect(source.get("Tenant", "", "acme")?.problems).toEqual([]);
    door.refuse();
    await api.patch(TENANTS, { name: "acme" }, { spec: { displayName: "Acme" } });
    expect(source.get("Tenant", "", "acme")?.inForce?.spec.displayName).toBeUndefined();
    expect(source.problem()).toBeUndefined();
    door.allow();
    await until(() => source.get("Tenant", "", "acme")?.inForce?.spec.displayName === "Acme");
    await door.stop();
  });

  test("a stop ends the waiting", async () => {
    const door = await server.proxied();
    door.refuse();
    const { client } = await openCluster({ kubeconfig: await door.kubeconfig() });
    const source = createSource(client);
    const starting = source.start();
    await source.stop();
    await starting;
    await door.stop();
  });
});
