import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { createLogs } from "@heauth/program";
import { EVENTS, type KubeObject } from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createEvents } from "./events.ts";

describeKube("events on a real API server", () => {
  let server: ApiServer;
  beforeAll(async () => {
    server = await startApiServer();
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await server?.stop();
  });

  test("are there for objects with and without a namespace, as long as they may be", async () => {
    const events = createEvents({
      client: server.client,
      reportingController: "heauth.io/operator",
      reportingInstance: `pod-${"x".repeat(200)}`,
      log: createLogs({ program: "test", level: "silent" }).log,
    });
    const apiVersion = "heauth.io/v1alpha1";
    const text = { type: "Warning", reason: "Invalid", action: "Reconcile", note: "ä".repeat(2_000) } as const;
    events.record({ apiVersion, kind: "Tenant", namespace: "", name: "t".repeat(250), uid: "u" }, text);
    events.record({ apiVersion, kind: "AuthPolicy", namespace: "default", name: "web" }, { ...text, note: "no rule" });
    await events.stop(AbortSignal.timeout(25_000));

    const { items } = await server.client.list<KubeObject & { note?: string }>(EVENTS, { namespace: "default" });
    const ours = items.filter(
      (item) => "reportingController" in item && item.reportingController === "heauth.io/operator",
    );
    expect(ours).toHaveLength(2);
    expect(ours.find(({ note }) => note === "no rule")).toMatchObject({
      regarding: { apiVersion, kind: "AuthPolicy", namespace: "default", name: "web" },
      type: "Warning",
      reason: "Invalid",
      action: "Reconcile",
    });
    const shown = await server.kubectl(["events", "--for", "authpolicy/web", "-n", "default"]);
    expect(`${shown.stdout}${shown.stderr}`).toContain("no rule");
  }, 60_000);
});
