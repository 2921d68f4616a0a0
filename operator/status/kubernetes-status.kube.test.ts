import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { type ClusterClient, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { putTenantAnchor } from "../anchor/tenant-status.ts";
import { tenantObject } from "../testing/kube-objects.ts";
import { note, TENANT_ID } from "../testing/notes.ts";
import { condition, type ResourceStatus } from "./condition.ts";
import { KubernetesStatus } from "./kubernetes-status.ts";
import { WatchedResource } from "./testing/watched-resource.ts";

describeKube("statuses on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  let resource: WatchedResource;
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
    resource.events = [];
    status = new KubernetesStatus(resource.options);
  }

  const ready = (message = ""): ResourceStatus => ({
    tenantId: TENANT_ID,
    observedGeneration: 1,
    conditions: [condition("Ready", "True", "Ready", message), condition("LedgerSealed", "True", "Sealed")],
  });

  test("are written with dates and generation, once, and told of by events", async () => {
    await status.report(resource.key, ready());
    const written = await resource.live();
    const at = { lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1, message: "" };
    expect(written.status).toEqual({
      tenantId: TENANT_ID,
      observedGeneration: 1,
      conditions: [
        { type: "Ready", status: "True", reason: "Ready", ...at },
        { type: "LedgerSealed", status: "True", reason: "Sealed", ...at },
      ],
    });
    expect(resource.events.map(({ event }) => [event.type, event.reason])).toEqual([
      ["Normal", "Ready"],
      ["Normal", "Sealed"],
    ]);
    expect(resource.events[0]?.regarding).toMatchObject({
      kind: "Tenant",
      name: resource.key.name,
      uid: written.metadata.uid,
    });

    // Also while the informer is behind, and after it has come up.
    resource.nowMs += 60_000;
    await status.report(resource.key, ready());
    await resource.look();
    await status.report(resource.key, ready());
    expect(await resource.version()).toBe(written.metadata.resourceVersion);
    expect(resource.events).toHaveLength(2);
  });

  test("of a process that begins are not written again where they say the same", async () => {
    await status.report(resource.key, ready());
    await resource.look();
    const before = await resource.version();
    begin();
    resource.nowMs += 60_000;
    await status.report(resource.key, ready());
    expect(await resource.version()).toBe(before);
    expect(resource.events).toEqual([]);
  });

  test("keep the date while a status stays, and get another one with another status", async () => {
    await status.report(resource.key, ready());
    const times = async () =>
      ((await resource.live()).status as { conditions: { lastTransitionTime: string }[] }).conditions.map(
        (each) => each.lastTransitionTime,
      );
    resource.nowMs += 60_000;
    await status.report(resource.key, ready("by the way"));
    expect(await times()).toEqual(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
    expect(resource.events).toHaveLength(2);
    await status.report(resource.key, { ...ready(), conditions: [condition("Ready", "False", "Invalid", "spec.x")] });
    expect(await times()).toEqual(["2026-01-01T00:01:00Z"]);
    expect(resource.events[2]?.event).toMatchObject({
      type: "Warning",
      reason: "Invalid",
      note: "Ready is False: spec.x",
    });
  });

  test("of an earlier generation are not written", async () => {
    await api.patch(TENANTS, resource.place, { spec: { displayName: "Another" } });
    await resource.look();
    const before = await resource.version();
    await status.report(resource.key, ready());
    expect([await resource.version(), resource.events]).toEqual([before, []]);
    await status.report(resource.key, { ...ready(), observedGeneration: 2 });
    expect((await resource.live()).status).toMatchObject({ observedGeneration: 2 });
  });

  test("and the anchor do not take each other away", async () => {
    await status.report(resource.key, ready());
    await putTenantAnchor(api, { name: resource.key.name, resourceVersion: undefined }, note(3), resource.nowMs);
    await resource.look();
    await status.report(resource.key, ready("changed"));
    const { tenantId, ledger, conditions } = (await resource.live()).status ?? {};
    expect(ledger).toEqual({ epoch: 0, size: 3, time: "2026-01-01T00:00:00Z", note: note(3) });
    expect(tenantId).toBe(TENANT_ID);
    expect(conditions).toHaveLength(2);
    await putTenantAnchor(api, { name: resource.key.name, resourceVersion: undefined }, note(4), resource.nowMs);
    expect((await resource.live()).status).toMatchObject({ tenantId: TENANT_ID, ledger: { size: 4 } });
  });

  test("that somebody else has changed are put right", async () => {
    await status.report(resource.key, ready());
    await api.patch(
      TENANTS,
      resource.place,
      { status: { conditions: [], observedGeneration: 7 } },
      { subresource: "status" },
    );
    await resource.look();
    await status.report(resource.key, ready());
    expect((await resource.live()).status).toMatchObject({
      observedGeneration: 1,
      conditions: [{ type: "Ready" }, {}],
    });
  });

  test("of a policy have its digest and its pods", async () => {
    await resource.becomePolicy();
    const said: ResourceStatus = {
      policyDigest: `sha256:${"0".repeat(64)}`,
      pods: { selected: 3, injected: 2, synced: 1 },
      observedGeneration: 1,
      conditions: [
        condition("Conflicted", "False", "NoConflict"),
        condition("Enforced", "False", "PodsNotInjected", "a"),
      ],
    };
    await status.report(resource.key, said);
    expect((await resource.live()).status).toMatchObject({ policyDigest: said.policyDigest, pods: said.pods });
    expect(resource.events.map(({ event }) => [event.type, event.reason])).toEqual([
      ["Normal", "NoConflict"],
      ["Warning", "PodsNotInjected"],
    ]);
    const before = await resource.version();
    await resource.look();
    await status.report(resource.key, said);
    expect(await resource.version()).toBe(before);
  });

  test("of a resource that is gone are no error; of another one of the same name they are not", async () => {
    await api.remove(TENANTS, resource.place);
    await status.report(resource.key, ready());
    await api.create(TENANTS, tenantObject(resource.key.name));
    await expect(status.report(resource.key, ready())).rejects.toMatchObject({ code: "Conflict" });
    expect((await resource.live()).status).toBeUndefined();
    await status.forget(resource.key);
    resource.seen = undefined;
    await status.report(resource.key, ready());
    expect((await resource.live()).status).toBeUndefined();
  });

  test("with endless messages are shortened", async () => {
    await status.report(resource.key, ready("x".repeat(40_000)));
    const { conditions } = (await resource.live()).status as { conditions: { message: string }[] };
    expect(conditions[0]?.message.length).toBeLessThan(10_000);
  });
});
