import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs } from "@heauth/program";
import { AUTH_POLICIES, type ClusterClient, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { putTenantAnchor } from "../anchor/tenant-status.ts";
import type { EventText, Regarding } from "../runtime/events.ts";
import { keptResource, type ResourceObject } from "../source/kubernetes/kept-resource.ts";
import type { ResourceKey } from "../source/source.ts";
import { policyObject, tenantObject } from "../testing/kube-objects.ts";
import { note, TENANT_ID } from "../testing/notes.ts";
import { condition, type ResourceStatus } from "./condition.ts";
import { KubernetesStatus } from "./kubernetes-status.ts";

const { log } = createLogs({ program: "test", level: "silent" });

describeKube("statuses on a real API server", () => {
  let server: ApiServer;
  let api: ClusterClient;
  let key: ResourceKey;
  let nowMs: number;
  let events: { regarding: Regarding; event: EventText }[];
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
    begin();
  });

  /** A process, with a memory of its own. */
  function begin(): void {
    events = [];
    status = new KubernetesStatus({
      client: api,
      kept: ({ kind }) => (seen === undefined ? undefined : keptResource(kind)(seen)),
      events: { record: (regarding, event) => void events.push({ regarding, event }) },
      log,
      nowMs: () => nowMs,
    });
  }

  const type = () => (key.kind === "Tenant" ? TENANTS : AUTH_POLICIES);
  const place = () => (key.namespace === "" ? { name: key.name } : { namespace: key.namespace, name: key.name });
  const live = () => api.get<ResourceObject>(type(), place());
  async function look(): Promise<void> {
    seen = await live();
  }
  const version = async () => (await live()).metadata.resourceVersion;
  const ready = (message = ""): ResourceStatus => ({
    tenantId: TENANT_ID,
    observedGeneration: 1,
    conditions: [condition("Ready", "True", "Ready", message), condition("LedgerSealed", "True", "Sealed")],
  });

  test("are written with dates and generation, once, and told of by events", async () => {
    await status.report(key, ready());
    const written = await live();
    const at = { lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1, message: "" };
    expect(written.status).toEqual({
      tenantId: TENANT_ID,
      observedGeneration: 1,
      conditions: [
        { type: "Ready", status: "True", reason: "Ready", ...at },
        { type: "LedgerSealed", status: "True", reason: "Sealed", ...at },
      ],
    });
    expect(events.map(({ event }) => [event.type, event.reason])).toEqual([
      ["Normal", "Ready"],
      ["Normal", "Sealed"],
    ]);
    expect(events[0]?.regarding).toMatchObject({ kind: "Tenant", name: key.name, uid: written.metadata.uid });

    // Also while the informer is behind, and after it has come up.
    nowMs += 60_000;
    await status.report(key, ready());
    await look();
    await status.report(key, ready());
    expect(await version()).toBe(written.metadata.resourceVersion);
    expect(events).toHaveLength(2);
  });

  test("of a process that begins are not written again where they say the same", async () => {
    await status.report(key, ready());
    await look();
    const before = await version();
    begin();
    nowMs += 60_000;
    await status.report(key, ready());
    expect(await version()).toBe(before);
    expect(events).toEqual([]);
  });

  test("keep the date while a status stays, and get another one with another status", async () => {
    await status.report(key, ready());
    const times = async () =>
      ((await live()).status as { conditions: { lastTransitionTime: string }[] }).conditions.map(
        (each) => each.lastTransitionTime,
      );
    nowMs += 60_000;
    await status.report(key, ready("by the way"));
    expect(await times()).toEqual(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
    expect(events).toHaveLength(2);
    await status.report(key, { ...ready(), conditions: [condition("Ready", "False", "Invalid", "spec.x")] });
    expect(await times()).toEqual(["2026-01-01T00:01:00Z"]);
    expect(events[2]?.event).toMatchObject({ type: "Warning", reason: "Invalid", note: "Ready is False: spec.x" });
  });

  test("of an earlier generation are not written", async () => {
    await api.patch(TENANTS, place(), { spec: { displayName: "Another" } });
    await look();
    const before = await version();
    await status.report(key, ready());
    expect([await version(), events]).toEqual([before, []]);
    await status.report(key, { ...ready(), observedGeneration: 2 });
    expect((await live()).status).toMatchObject({ observedGeneration: 2 });
  });

  test("and the anchor do not take each other away", async () => {
    await status.report(key, ready());
    await putTenantAnchor(api, { name: key.name, resourceVersion: undefined }, note(3), nowMs);
    await look();
    await status.report(key, ready("changed"));
    const { tenantId, ledger, conditions } = (await live()).status ?? {};
    expect(ledger).toEqual({ epoch: 0, size: 3, time: "2026-01-01T00:00:00Z", note: note(3) });
    expect(tenantId).toBe(TENANT_ID);
    expect(conditions).toHaveLength(2);
    await putTenantAnchor(api, { name: key.name, resourceVersion: undefined }, note(4), nowMs);
    expect((await live()).status).toMatchObject({ tenantId: TENANT_ID, ledger: { size: 4 } });
  });

  test("that somebody else has changed are put right", async () => {
    await status.report(key, ready());
    await api.patch(TENANTS, place(), { status: { conditions: [], observedGeneration: 7 } }, { subresource: "status" });
    await look();
    await status.report(key, ready());
    expect((await live()).status).toMatchObject({ observedGeneration: 1, conditions: [{ type: "Ready" }, {}] });
  });

  test("of a policy have its digest and its pods", async () => {
    key = { kind: "AuthPolicy", namespace: "default", name: key.name };
    await api.create(AUTH_POLICIES, policyObject("default", key.name));
    await look();
    const said: ResourceStatus = {
      policyDigest: `sha256:${"0".repeat(64)}`,
      pods: { selected: 3, injected: 2, synced: 1 },
      observedGeneration: 1,
      conditions: [
        condition("Conflicted", "False", "NoConflict"),
        condition("Enforced", "False", "PodsNotInjected", "a"),
      ],
    };
    await status.report(key, said);
    expect((await live()).status).toMatchObject({ policyDigest: said.policyDigest, pods: said.pods });
    expect(events.map(({ event }) => [event.type, event.reason])).toEqual([
      ["Normal", "NoConflict"],
      ["Warning", "PodsNotInjected"],
    ]);
    const before = await version();
    await look();
    await status.report(key, said);
    expect(await version()).toBe(before);
  });

  test("of a resource that is gone are no error; of another one of the same name they are not", async () => {
    await api.remove(TENANTS, place());
    await status.report(key, ready());
    await api.create(TENANTS, tenantObject(key.name));
    await expect(status.report(key, ready())).rejects.toMatchObject({ code: "Conflict" });
    expect((await live()).status).toBeUndefined();
    await status.forget(key);
    seen = undefined;
    await status.report(key, ready());
    expect((await live()).status).toBeUndefined();
  });

  test("with endless messages are shortened", async () => {
    await status.report(key, ready("x".repeat(40_000)));
    const { conditions } = (await live()).status as { conditions: { message: string }[] };
    expect(conditions[0]?.message.length).toBeLessThan(10_000);
  });
});
