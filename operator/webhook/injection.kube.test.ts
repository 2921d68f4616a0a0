import { authPolicy } from "@heauth/core/resources/testing";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { settings } from "./injection/testing/pods.ts";
import { installWebhook, kubectl, startReplica, type TestReplica } from "./testing/webhook-rig.ts";

describeKube("injection by a real API server", () => {
  let server: ApiServer;
  let webhook: TestReplica;
  beforeAll(async () => {
    server = await startApiServer({ podAccounts: true });
    await kubectl(server, ["create", "namespace", "shop"]);
    await kubectl(server, ["label", "namespace", "shop", "heauth.io/injection=enabled"]);
    await kubectl(server, ["create", "serviceaccount", "-n", "shop", "default"]);
    await installWebhook(server, {}, { injection: true });
    webhook = await startReplica(server, { injection: settings });
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await webhook?.stop();
    await server?.stop();
  });
  test("x", async () => {
    expect(webhook.health.ready()).toEqual({ ok: true, problems: {} });
    await kubectl(server, ["create", "-f", "-"], JSON.stringify(authPolicy));
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a", namespace: "shop", labels: authPolicy.spec.selector.matchLabels },
      spec: { containers: [{ name: "app", image: "app", livenessProbe: { tcpSocket: { port: 80 } } }] },
    };
    console.log(await kubectl(server, ["create", "-o", "yaml", "-f", "-"], JSON.stringify(pod)));
  });
});
