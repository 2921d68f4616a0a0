import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs } from "@heauth/program";
import { AUTH_POLICIES, type KubeObject, NAMESPACES, TENANTS } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { authPolicy, tenant } from "../../core/resources/testing/examples.ts";
import { createEvents } from "../runtime/events.ts";
import type { KeptResource } from "../source/kubernetes/kept-resource.ts";
import type { ResourceKey } from "../source/source.ts";
import { createKubernetesAlerts } from "./kubernetes-alerts.ts";

const alert = {
  id: "01920000-0000-7000-8000-000000000001",
  reason: "BadSignature",
  tenantName: "acme",
  raisedAt: 1,
  recordId: "01920000-0000-7000-8000-000000000002/7",
  pod: "shop/web-0",
  rule: "read",
  namespace: "shop",
  policy: "web",
};

describeKube("alerts on a real API server", () => {
  let server: ApiServer;
  const uids = new Map<string, string>();

  beforeAll(async () => {
    server = await startApiServer();
    await server.client.create(NAMESPACES, { metadata: { name: "shop" } });
    for (const [type, object] of [
      [TENANTS, tenant],
      [AUTH_POLICIES, authPolicy],
    ] as const) {
      const { metadata } = await server.client.create<KubeObject>(type, object as unknown as KubeObject);
      uids.set(metadata.name ?? "", metadata.uid ?? "");
    }
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await server?.stop();
  });

  const kept = ({ kind, name }: ResourceKey) => {
    const uid = uids.get(name);
    return uid === undefined ? undefined : ({ kind, meta: { uid } } as unknown as KeptResource);
  };

  test("are seen where the policy is described; without a policy where the tenant is; never twice", async () => {
    const { log } = createLogs({ program: "test", level: "silent" });
    const reporting = { reportingController: "heauth.io/operator", reportingInstance: "operator-0" };
    const events = createEvents({ client: server.client, ...reporting, log });
    const alerts = createKubernetesAlerts({ kept, events });
    alerts.tell(alert);
    alerts.tell(alert);
    alerts.tellOmitted(alert, { most: 60, windowMs: 600_000 });
    alerts.tell({
      ...alert,
      reason: "JournalLost",
      recordId: null,
      pod: null,
      rule: null,
      namespace: null,
      policy: null,
    });
    alerts.tell({ ...alert, reason: "Unheard", policy: "gone", tenantName: "gone" });
    await events.stop(AbortSignal.timeout(30_000));

    const described = async (...what: string[]) => {
      const { stdout, stderr } = await server.kubectl(["describe", ...what]);
      return `${stdout}${stderr}`.split("\nEvents:")[1] ?? "";
    };
    const ofPolicy = await described("authpolicy", authPolicy.metadata.name, "-n", "shop");
    expect(ofPolicy.match(/Warning +BadSignature /g)).toHaveLength(1);
    expect(ofPolicy).toContain(`record ${alert.recordId}, pod shop/web-0, rule read: the ledger`);
    expect(ofPolicy).toMatch(/Warning +AlertsOmitted .*more than 60 alerts within 10 minutes/);
    const ofTenant = await described("tenant", tenant.metadata.name);
    expect(ofTenant).toMatch(new RegExp(`Warning +JournalLost .*alert ${alert.id}: the ledger`));
    expect(`${ofPolicy}${ofTenant}`).not.toContain("Unheard");
  }, 60_000);
});
