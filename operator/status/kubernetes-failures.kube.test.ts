import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs } from "@heauth/program";
import { AUTH_POLICIES, type ClusterClient, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { EventText, Regarding } from "../runtime/events.ts";
import { keptResource, type ResourceObject } from "../source/kubernetes/kept-resource.ts";
import type { ResourceKey } from "../source/source.ts";
import { policyObject, tenantObject } from "../testing/kube-objects.ts";
import { TENANT_ID } from "../testing/notes.ts";
import { condition, type ResourceStatus } from "./condition.ts";
import { KubernetesFailures } from "./kubernetes-failures.ts";
import { KubernetesStatus } from "./kubernetes-status.ts";

const { log } = createLogs({ program: "test", level: "silent" });

describeKube("failures on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  let key: ResourceKey;
  let nowMs: number;
  let events: { regarding: Regarding; event: EventText }[];
  let failures: KubernetesFailures;
  let status: KubernetesStatus;
  /** What an informer would have seen, where it is behind. */
  let seen: ResourceObject | undefined;

  beforeAll(async () => {
    server = await startApiServer();
    api = server.client;
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  let count = 0;
  beforeEach(async () => {
    key = { kind: "Tenant", namespace: "", name: `acme-${count++}` };
    await api.create(TENANTS, tenantObject(key.name));
    await look();
    nowMs = Date.UTC(2026, 0, 1);
    events = [];
    begin();
  });

  /** A process, with a memory of its own. */
  function begin(): void {
    const options = {
      client: api,
      kept: ({ kind }: ResourceKey) => (seen === undefined ? undefined : keptResource(kind)(seen)),
      events: { record: (regarding: Regarding, event: EventText) => void events.push({ regarding, event }) },
      log,
      nowMs: () => nowMs,
    };
    failures = new KubernetesFailures(options);
    status = new KubernetesStatus(options);
  }

  const type = () => (key.kind === "Tenant" ? TENANTS : AUTH_POLICIES);
  const place = () => (key.namespace === "" ? { name: key.name } : { namespace: key.namespace, name: key.name });
  const live = () => api.get<ResourceObject>(type(), place());
  const version = async () => (await live()).metadata.resourceVersion;
  async function look(): Promise<void> {
    seen = await live();
  }
  const words = async () => {
    const { conditions = [] } = ((await live()).status ?? {}) as { conditions?: Record<string, string>[] };
    return conditions.map((each) => [each["type"], each["status"], each["reason"], each["message"]].join(" ")).sort();
  };
  const deleting: ResourceStatus = {
    tenantId: TENANT_ID,
    observedGeneration: 1,
    conditions: [condition("Ready", "False", "Deleting", "it is")],
  };

  test("are a condition and an event, written once, next to what the controller said", async () => {
    await status.report(key, deleting);
    await look();
    await failures.failing(key, "NotFound: x");
    const written = await live();
    expect((written.status as { conditions: object[] }).conditions).toContainEqual({
      type: "Reconciled",
      status: "False",
      reason: "ReconcileFailed",
      message: "NotFound: x",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration: 1,
    });
    expect(events.at(-1)).toEqual({
      regarding: expect.objectContaining({ kind: "Tenant", name: key.name, uid: written.metadata.uid }),
      event: { type: "Warning", reason: "ReconcileFailed", action: "Reconcile", note: "NotFound: x" },
    });

    // Also while the informer is behind, after it has come up, and in a process that begins; and each try says its status again.
    nowMs += 60_000;
    await failures.failing(key, "NotFound: x");
    await look();
    for (const _ of [1, 2]) {
      await status.report(key, deleting);
      await failures.failing(key, "NotFound: x");
      begin();
    }
    expect(await version()).toBe(written.metadata.resourceVersion);
    expect(await words()).toEqual(["Ready False Deleting it is", "Reconciled False ReconcileFailed NotFound: x"]);
  });

  test("of another kind keep the date; with the next success the condition goes, and nothing else", async () => {
    await failures.failing(key, "NotFound: x");
    await look();
    nowMs += 60_000;
    await failures.failing(key, "Invalid: y");
    const { conditions } = (await live()).status as { conditions: object[] };
    expect(conditions).toMatchObject([{ message: "Invalid: y", lastTransitionTime: "2026-01-01T00:00:00Z" }]);
    await look();
    await status.report(key, { ...deleting, conditions: [condition("Ready", "True", "Ready")] });
    // The informer has not seen what was just written.
    await failures.over(key);
    expect(await words()).toEqual(["Ready True Ready "]);
    const after = await version();
    await failures.over(key);
    await look();
    await failures.over(key);
    expect(await version()).toBe(after);
    expect((await live()).status).toMatchObject({ tenantId: TENANT_ID });
  });

  test("that another process has told of are over as well; without any, nothing is written", async () => {
    const untouched = await version();
    await failures.over(key);
    expect(await version()).toBe(untouched);
    await failures.failing(key, "NotFound: x");
    await look();
    begin();
    await failures.over(key);
    expect(await words()).toEqual([]);
  });

  test("of a later generation say so", async () => {
    await failures.failing(key, "NotFound: x");
    await api.patch(TENANTS, place(), { spec: { displayName: "Another" } });
    await look();
    await failures.failing(key, "NotFound: x");
    expect((await live()).status).toMatchObject({ conditions: [{ observedGeneration: 2 }] });
  });

  test("of a policy are told too", async () => {
    key = { kind: "AuthPolicy", namespace: "default", name: key.name };
    await api.create(AUTH_POLICIES, policyObject("default", key.name));
    await look();
    await failures.failing(key, "NotFound: x");
    expect(await words()).toEqual(["Reconciled False ReconcileFailed NotFound: x"]);
    await failures.over(key);
    expect(await words()).toEqual([]);
  });

  test("of a resource that is gone are no error; another one of the same name does not get them", async () => {
    await api.remove(TENANTS, place());
    await failures.failing(key, "NotFound: x");
    await api.create(TENANTS, tenantObject(key.name));
    begin();
    await expect(failures.failing(key, "NotFound: x")).rejects.toMatchObject({ code: "Conflict" });
    expect((await live()).status).toBeUndefined();
    seen = undefined;
    await failures.failing(key, "NotFound: x");
    await failures.over(key);
    expect((await live()).status).toBeUndefined();
  });
});
