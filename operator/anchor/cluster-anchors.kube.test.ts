import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs, createMetrics } from "@heauth/program";
import { type ClusterClient, openCluster, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { keptResource, type ResourceObject } from "../source/kubernetes/kept-resource.ts";
import { tenantObject } from "../testing/kube-objects.ts";
import { note, TENANT_ID } from "../testing/notes.ts";
import { ClusterAnchors, type ClusterAnchorsOptions } from "./cluster-anchors.ts";
import { RetainedAnchors } from "./retained.ts";
import type { AnchoredTenant } from "./store.ts";
import { putTenantAnchor } from "./tenant-status.ts";

const { log } = createLogs({ program: "test", level: "silent" });

describeKube("anchors on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  let keeper: RetainedAnchors;
  let acme: AnchoredTenant;
  let seen: ResourceObject | undefined;
  let differing: AnchoredTenant[];
  const running: ClusterAnchors[] = [];

  beforeAll(async () => {
    server = await startApiServer();
    api = server.client;
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  let count = 0;
  beforeEach(async () => {
    acme = { id: TENANT_ID, name: `acme-${count++}` };
    keeper = new RetainedAnchors(api, "default");
    differing = [];
    await make();
  });
  afterEach(async () => {
    for (const anchors of running.splice(0)) await anchors.stop(AbortSignal.timeout(1_000));
    await keeper.drop(TENANT_ID);
  });

  /** A Tenant, and its status as the controller writes it. */
  async function make(options: { readonly tenantId?: string; readonly adopt?: string } = { tenantId: TENANT_ID }) {
    const { tenantId, adopt } = options;
    await api.create(TENANTS, tenantObject(acme.name, {}, adopt === undefined ? {} : { "heauth.io/adopt": adopt }));
    if (tenantId !== undefined) await api.patch(TENANTS, acme, { status: { tenantId } }, { subresource: "status" });
    await look();
  }
  async function look(): Promise<void> {
    seen = await api.get<ResourceObject>(TENANTS, acme).catch(() => undefined);
  }
  const inStatus = async () => {
    const { status = {} } = await api.get<ResourceObject>(TENANTS, acme);
    return (status["ledger"] as { note: string } | undefined)?.note;
  };

  /** An operator's. */
  async function begin(options: Partial<Pick<ClusterAnchorsOptions, "client" | "everyMs" | "nowMs">> = {}) {
    const { client = api, everyMs = 60_000, nowMs = Date.now } = options;
    const metrics = createMetrics();
    const anchors = new ClusterAnchors({
      client,
      keeper: new RetainedAnchors(client, "default"),
      seen: () => (seen === undefined ? undefined : keptResource("Tenant")(seen)),
      log,
      metrics,
      everyMs,
      nowMs,
    });
    anchors.onDiffering((tenant) => differing.push(tenant));
    running.push(anchors);
    await anchors.start();
    /** Resolves when the background has written, or tried to, so often. */
    const tried = async (times: number, outcome: "ok" | "refused" | "error" = "ok") => {
      const line = new RegExp(`^heauth_anchor_writes_total\\{.*outcome="${outcome}".*\\} ${times}$`, "m");
      while (!line.test(await metrics.text())) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    return Object.assign(anchors, { tried });
  }

  test("are read back by whoever comes next; none is undefined", async () => {
    const anchors = await begin();
    expect(await anchors.read(acme)).toBeUndefined();
    await anchors.write(acme, note(1));
    expect(await anchors.read(acme)).toBe(note(1));
    await anchors.tried(1);
    expect(await inStatus()).toBe(note(1));
    // The informer is behind: the next process asks the API server itself.
    expect(await (await begin()).read(acme)).toBe(note(1));
  });

  test("are written at most every so often, the newest at the end", async () => {
    let nowMs = Date.now();
    const anchors = await begin({ everyMs: 700, nowMs: () => nowMs });
    for (let size = 1; size <= 20; size++) await anchors.write(acme, note(size));
    await anchors.tried(1);
    expect(await inStatus()).toBe(note(1));
    nowMs += 700;
    await anchors.tried(2);
    expect(await inStatus()).toBe(note(20));
    for (let size = 21; size <= 30; size++) await anchors.write(acme, note(size));
    await anchors.stop(AbortSignal.timeout(25_000));
    expect(await inStatus()).toBe(note(30));
  });

  test("do not go back: the one that is further on is the truth, and whoever seals is told to look", async () => {
    const anchors = await begin();
    expect(await anchors.read(acme)).toBeUndefined();
    await putTenantAnchor(api, { name: acme.name, resourceVersion: undefined }, note(9), Date.now());
    await anchors.write(acme, note(5));
    await anchors.tried(1, "refused");
    while (differing.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(differing).toEqual([acme]);
    expect(await anchors.read(acme)).toBe(note(9));
    expect(await inStatus()).toBe(note(9));
  });

  test("of another history are not written over the one that is there", async () => {
    const anchors = await begin();
    await anchors.read(acme);
    await putTenantAnchor(api, { name: acme.name, resourceVersion: undefined }, note(5), Date.now());
    await anchors.write(acme, note(5, { root: 8 }));
    while (differing.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await anchors.read(acme)).toBe(note(5));
  });

  test("that another operator has written since are seen", async () => {
    const anchors = await begin();
    await anchors.write(acme, note(1));
    await anchors.tried(1);
    await putTenantAnchor(api, { name: acme.name, resourceVersion: undefined }, note(4), Date.now());
    await look();
    expect(await anchors.read(acme)).toBe(note(4));
  });

  test("are answered while the API server is away, where they are known, and written when it is back", async () => {
    const door = await server.proxied();
    const { client: behindDoor } = await openCluster({ kubeconfig: await door.kubeconfig() });
    let asked = 0;
    const client: ClusterClient = {
      ...behindDoor,
      get: (...of) => {
        asked++;
        return behindDoor.get(...of);
      },
    };
    await putTenantAnchor(api, { name: acme.name, resourceVersion: undefined }, note(2), Date.now());
    door.refuse();
    const anchors = await begin({ client, everyMs: 100 });
    // Never seen, and can't be asked for.
    await expect(anchors.read(acme)).rejects.toMatchObject({ code: "AnchorUnavailable" });
    // Nobody waits for the API server again and again.
    expect(asked).toBe(1);
    await expect(anchors.read(acme)).rejects.toMatchObject({ code: "AnchorUnavailable" });
    expect(asked).toBe(1);
    // An informer that was there before still knows.
    await look();
    expect(await anchors.read(acme)).toBe(note(2));
    await anchors.write(acme, note(3));
    await anchors.tried(1, "error");
    expect(await anchors.read(acme)).toBe(note(3));
    door.allow();
    await anchors.tried(1);
    expect(await inStatus()).toBe(note(3));
    await door.stop();
  });

  test("of a tenant whose resource is gone are kept beside, and go on from there", async () => {
    const anchors = await begin({ everyMs: 100 });
    await anchors.write(acme, note(1));
    await anchors.tried(1);
    await keeper.retain(acme.id, note(1));
    await api.remove(TENANTS, acme);
    await look();
    await anchors.write(acme, note(2));
    await anchors.tried(2);
    expect(await keeper.retained(acme.id)).toBe(note(2));
    expect(await (await begin()).read(acme)).toBe(note(2));

    // A new resource of the name does not get it, until it takes the data over.
    await make({});
    await anchors.write(acme, note(3));
    await anchors.tried(3);
    expect(await inStatus()).toBeUndefined();
    expect(await keeper.retained(acme.id)).toBe(note(3));
    await api.remove(TENANTS, acme);
    await make({ adopt: acme.id });
    expect(await (await begin()).read(acme)).toBe(note(3));
    await anchors.write(acme, note(4));
    await anchors.tried(4);
    expect(await inStatus()).toBe(note(4));
  });

  test("that are kept beside only advance, and are dropped with the tenant's data", async () => {
    await keeper.retain(TENANT_ID, note(5));
    await keeper.retain(TENANT_ID, note(4));
    expect(await keeper.retained(TENANT_ID)).toBe(note(5));
    await Promise.all([6, 7, 8].map((size) => keeper.retain(TENANT_ID, note(size))));
    expect(await keeper.retained(TENANT_ID)).toBe(note(8));
    const anchors = await begin();
    await anchors.forget(acme);
    await anchors.forget(acme);
    expect(await keeper.retained(TENANT_ID)).toBeUndefined();
  });

  test("of a resource of another tenant are not this one's", async () => {
    await api.remove(TENANTS, acme);
    const other = "01a1fc26-0000-74f7-8bca-c5f097cf6ad6";
    await make({ tenantId: other });
    await putTenantAnchor(api, { name: acme.name, resourceVersion: undefined }, note(7, { tenant: other }), Date.now());
    await look();
    const anchors = await begin();
    expect(await anchors.read(acme)).toBeUndefined();
    await anchors.write(acme, note(1));
    await anchors.tried(1);
    expect(await keeper.retained(acme.id)).toBe(note(1));
    expect(await inStatus()).toBe(note(7, { tenant: other }));
  });
});
