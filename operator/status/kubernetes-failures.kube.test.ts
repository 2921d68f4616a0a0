import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { type ClusterClient, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { tenantObject } from "../testing/kube-objects.ts";
import { TENANT_ID } from "../testing/notes.ts";
import { condition, type ResourceStatus } from "./condition.ts";
import { KubernetesFailures } from "./kubernetes-failures.ts";
import { KubernetesStatus } from "./kubernetes-status.ts";
import { WatchedResource } from "./testing/watched-resource.ts";

describeKube("failures on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  let resource: WatchedResource;
  let failures: KubernetesFailures;
  let status: KubernetesStatus;

  beforeAll(async () => {
    server = await startApiServer();
    api = server.client;
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  beforeEach(async () => {
    resource = await WatchedResource.tenant(api);
    begin();
  });

  /** A process, with a memory of its own. */
  function begin(): void {
    failures = new KubernetesFailures(resource.options);
    status = new KubernetesStatus(resource.options);
  }

  const words = async () => {
    const { conditions = [] } = ((await resource.live()).status ?? {}) as { conditions?: Record<string, string>[] };
    return conditions.map((each) => [each["type"], each["status"], each["reason"], each["message"]].join(" ")).sort();
  };
  const deleting: ResourceStatus = {
    tenantId: TENANT_ID,
    observedGeneration: 1,
    conditions: [condition("Ready", "False", "Deleting", "it is")],
  };

  test("are a condition and an event, written once, next to what the controller said", async () => {
    await status.report(resource.key, deleting);
    await resource.look();
    await failures.failing(resource.key, "NotFound: x");
    const written = await resource.live();
    expect((written.status as { conditions: object[] }).conditions).toContainEqual({
      type: "Reconciled",
      status: "False",
      reason: "ReconcileFailed",
      message: "NotFound: x",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration: 1,
    });
    expect(resource.events.at(-1)).toEqual({
      regarding: expect.objectContaining({ kind: "Tenant", name: resource.key.name, uid: written.metadata.uid }),
      event: { type: "Warning", reason: "ReconcileFailed", action: "Reconcile", note: "NotFound: x" },
    });

    // Also while the informer is behind, after it has come up, and in a process that begins; and each try says its status again.
    resource.nowMs += 60_000;
    await failures.failing(resource.key, "NotFound: x");
    await resource.look();
    for (const _ of [1, 2]) {
      await status.report(resource.key, deleting);
      await failures.failing(resource.key, "NotFound: x");
      begin();
    }
    expect(await resource.version()).toBe(written.metadata.resourceVersion);
    expect(await words()).toEqual(["Ready False Deleting it is", "Reconciled False ReconcileFailed NotFound: x"]);
  });

  test("of another kind keep the date; with the next success the condition goes, and nothing else", async () => {
    await failures.failing(resource.key, "NotFound: x");
    await resource.look();
    resource.nowMs += 60_000;
    await failures.failing(resource.key, "Invalid: y");
    const { conditions } = (await resource.live()).status as { conditions: object[] };
    expect(conditions).toMatchObject([{ message: "Invalid: y", lastTransitionTime: "2026-01-01T00:00:00Z" }]);
    await resource.look();
    await status.report(resource.key, { ...deleting, conditions: [condition("Ready", "True", "Ready")] });
    // The informer has not seen what was just written.
    await failures.over(resource.key);
    expect(await words()).toEqual(["Ready True Ready "]);
    const after = await resource.version();
    await failures.over(resource.key);
    await resource.look();
    await failures.over(resource.key);
    expect(await resource.version()).toBe(after);
    expect((await resource.live()).status).toMatchObject({ tenantId: TENANT_ID });
  });

  test("that another process has told of are over as well; without any, nothing is written", async () => {
    const untouched = await resource.version();
    await failures.over(resource.key);
    expect(await resource.version()).toBe(untouched);
    await failures.failing(resource.key, "NotFound: x");
    await resource.look();
    begin();
    await failures.over(resource.key);
    expect(await words()).toEqual([]);
  });

  test("of a later generation say so", async () => {
    await failures.failing(resource.key, "NotFound: x");
    await api.patch(TENANTS, resource.place, { spec: { displayName: "Another" } });
    await resource.look();
    await failures.failing(resource.key, "NotFound: x");
    expect((await resource.live()).status).toMatchObject({ conditions: [{ observedGeneration: 2 }] });
  });

  test("of a policy are told too", async () => {
    await resource.becomePolicy();
    await failures.failing(resource.key, "NotFound: x");
    expect(await words()).toEqual(["Reconciled False ReconcileFailed NotFound: x"]);
    await failures.over(resource.key);
    expect(await words()).toEqual([]);
  });

  test("of a resource that is gone are no error; another one of the same name does not get them", async () => {
    await api.remove(TENANTS, resource.place);
    await failures.failing(resource.key, "NotFound: x");
    await api.create(TENANTS, tenantObject(resource.key.name));
    begin();
    await expect(failures.failing(resource.key, "NotFound: x")).rejects.toMatchObject({ code: "Conflict" });
    expect((await resource.live()).status).toBeUndefined();
    resource.seen = undefined;
    await failures.failing(resource.key, "NotFound: x");
    await failures.over(resource.key);
    expect((await resource.live()).status).toBeUndefined();
  });
});
