import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { text } from "node:stream/consumers";
import { authPolicy, changed, invalidResources, tenant } from "@heauth/core/resources/testing";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { pause } from "@heauth/program";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { installWebhook, startReplica, type TestReplica } from "./testing/webhook-rig.ts";

/** What a webhook must refuse because the CRDs can't know it. */
const beyondTheCrds = [
  ["spec.rules.2.when", "request.method ==", "spec.rules[2].when"],
  ["spec.rules.2.when", "session.subject", "spec.rules[2].when"],
  ["spec.rules.0.match.0.path.value", "/%61", "spec.rules[0].match[0].path.value"],
] as const;

describeKube("admission by a real API server", () => {
  let server: ApiServer;
  let admin: { token: string; ca: string };
  let webhook: TestReplica;

  beforeAll(async () => {
    server = await startApiServer();
    const { users, clusters } = JSON.parse(await readFile(await server.kubeconfig(), "utf8"));
    admin = { token: users[0].user.token, ca: await readFile(clusters[0].cluster["certificate-authority"], "utf8") };
    await server.kubectl(["create", "namespace", "shop"]);
    await installWebhook(server);
    webhook = await startReplica(server);
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await webhook?.stop();
    await server?.stop();
  });

  /** As kubectl does by default: a field that is not known is an error. */
  async function send(method: "POST" | "PUT" | "PATCH" | "DELETE", resource: object, { keep = false } = {}) {
    const { kind, metadata } = resource as typeof authPolicy;
    const base = "/apis/heauth.io/v1alpha1";
    const collection = kind === "Tenant" ? `${base}/tenants` : `${base}/namespaces/shop/authpolicies`;
    const path = method === "POST" ? collection : `${collection}/${metadata.name}`;
    const options = { ca: admin.ca, method, headers: headersOf(method) };
    const asked = request(`${server.url}${path}?fieldValidation=Strict${keep ? "" : "&dryRun=All"}`, options);
    asked.end(method === "DELETE" ? undefined : JSON.stringify(resource));
    const [answer] = await once(asked, "response");
    const { message = "" } = JSON.parse(await text(answer)) as { message?: string };
    return { status: answer.statusCode as number, message, warning: String(answer.headers.warning ?? "") };
  }
  /** Again and again until it is answered so: the API server goes by a new configuration when it has heard of it. */
  async function sendUntil(wanted: number, ...sent: Parameters<typeof send>) {
    for (let tries = 0; ; tries++) {
      const answer = await send(...sent);
      if (answer.status === wanted) return answer;
      if (tries === 200) throw new Error(`it was never answered by ${wanted}: ${answer.status} ${answer.message}`);
      await pause(50);
    }
  }
  const headersOf = (method: string) => ({
    authorization: `Bearer ${admin.token}`,
    "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
  });

  test("what is valid is stored, and a policy's missing Tenant is a warning", async () => {
    const early = await send("POST", authPolicy);
    expect(early).toMatchObject({ status: 201, warning: expect.stringContaining("there is no Tenant acme yet") });
    expect(await send("POST", tenant, { keep: true })).toMatchObject({ status: 201, warning: "" });
    expect(await send("POST", authPolicy, { keep: true })).toMatchObject({ status: 201, warning: "" });
  });

  test.each(invalidResources)("$name is refused with its field", async ({ resource, field, code }) => {
    const { status, message } = await send("POST", withNewName(resource));
    expect([400, 422]).toContain(status);
    // The API server itself writes the keys of maps, and what is there twice, in its own way.
    const named = code === "Duplicate" ? `${field}[1]` : field.replace(/\["([^"]+)"\]$/, ".$1");
    expect([field, named].some((name) => message.includes(name))).toBe(true);
  });

  test.each(beyondTheCrds)("%s: %j is refused by the webhook, at once and as a change", async (path, value, field) => {
    const wrong = changed(authPolicy, path, value);
    for (const answer of [await send("POST", withNewName(wrong)), await send("PATCH", wrong)]) {
      expect(answer.status).toBe(422);
      expect(answer.message).toContain('admission webhook "validate.heauth.io" denied the request');
      expect(answer.message).toContain(`${field}:`);
    }
  });

  test("a policy that asks for more than its Tenant allows is stored, with a warning of each field", async () => {
    const greedy = changed(
      changed(authPolicy, "spec.authentication.maxStaleness", "2m"),
      "spec.authentication.audiences",
      ["x"],
    );
    const { status, warning } = await send("POST", withNewName(greedy));
    expect(status).toBe(201);
    expect(warning).toContain("spec.authentication.maxStaleness:");
    expect(warning).toContain("spec.authentication.audiences[0]:");
  });

  test("without the webhook nothing is stored, and what is stored can still be labelled and deleted", async () => {
    await webhook.stop();
    const { status, message } = await send("POST", withNewName(tenant));
    expect([status, message]).toEqual([500, expect.stringContaining('failed calling webhook "validate.heauth.io"')]);
    expect((await send("PATCH", changed(tenant, "spec.displayName", "Another"))).status).toBe(500);
    const label = {
      ...tenant,
      metadata: { name: "acme", labels: { team: "b" }, finalizers: ["heauth.io/tenant-data"] },
    };
    expect((await send("PATCH", label, { keep: true })).status).toBe(200);
    const release = { ...tenant, metadata: { name: "acme", finalizers: null } };
    expect((await send("PATCH", release, { keep: true })).status).toBe(200);
    expect((await send("DELETE", tenant)).status).toBe(200);
    webhook = await startReplica(server);
    expect((await send("POST", withNewName(tenant))).status).toBe(201);
  });

  test("a resource that was stored while nobody checked can lose its finalizer, and be deleted", async () => {
    await server.kubectl(["delete", "validatingwebhookconfiguration", "heauth-webhook"]);
    const held = {
      ...tenant,
      spec: { ...tenant.spec, registration: "Open" },
      metadata: { name: "held", finalizers: ["heauth.io/tenant-data"] },
    };
    await sendUntil(201, "POST", held, { keep: true });
    await installWebhook(server, { matchConditions: [] });
    await webhook.stop();
    webhook = await startReplica(server);
    const other = { ...held, spec: { ...held.spec, displayName: "Another" } };
    expect((await sendUntil(422, "PATCH", other)).message).toContain("spec.registration:");
    expect((await send("DELETE", held, { keep: true })).status).toBe(200);
    expect(
      (await send("PATCH", { ...held, metadata: { name: "held", finalizers: null } }, { keep: true })).status,
    ).toBe(200);
    const { stdout } = await server.kubectl(["get", "tenants", "-o", "name"]);
    expect(stdout).not.toContain("held");
  });
});

/** What stands there already would be refused for that. */
function withNewName(resource: object): object {
  const { metadata } = resource as typeof tenant;
  const { name } = metadata;
  return name === tenant.metadata.name || name === authPolicy.metadata.name
    ? { ...resource, metadata: { ...metadata, name: "another" } }
    : resource;
}
