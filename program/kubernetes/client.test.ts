import { inspect } from "node:util";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type FakeApi, json, startFakeApi, status } from "../testing/index.ts";
import type { ClusterClient } from "./client.ts";
import { openCluster } from "./cluster.ts";
import { AUTH_POLICIES, CONFIG_MAPS, SERVICE_ACCOUNTS, TENANTS } from "./resource-types.ts";

let api: FakeApi;
let client: ClusterClient;

beforeEach(async () => {
  api = await startFakeApi();
  ({ client } = await openCluster({ kubeconfig: api.kubeconfig }));
});
afterEach(async () => {
  await api.stop();
});

const acme = { name: "acme" };
const web = { namespace: "shop", name: "web" };

test("each call is the request that it should be", async () => {
  api.answer((_, response) => json(response, { metadata: { resourceVersion: "7" }, items: null }));
  await client.get(TENANTS, acme);
  const page = await client.list(AUTH_POLICIES, { labelSelector: "a=b,c", limit: 5, continueToken: "x+/=" });
  await client.list(AUTH_POLICIES, { namespace: "shop" });
  await client.create(CONFIG_MAPS, { metadata: web });
  await client.createAt(SERVICE_ACCOUNTS, web, "token", { spec: {} });
  await client.apply(TENANTS, { metadata: acme }, { fieldManager: "heauth-seal", subresource: "status" });
  await client.replace(AUTH_POLICIES, { metadata: web }, { subresource: "status" });
  await client.patch(TENANTS, acme, { a: null }, { fieldManager: "me" });
  await client.remove(TENANTS, acme, { uid: "u" });
  expect(page).toEqual({ items: [], resourceVersion: "7" });
  expect(
    api.requests.map(({ method, path, headers, body }) => [method, path, headers["content-type"] ?? "", body]),
  ).toEqual([
    ["GET", "/apis/heauth.io/v1alpha1/tenants/acme", "", ""],
    ["GET", "/apis/heauth.io/v1alpha1/authpolicies?labelSelector=a%3Db%2Cc&limit=5&continue=x%2B%2F%3D", "", ""],
    ["GET", "/apis/heauth.io/v1alpha1/namespaces/shop/authpolicies", "", ""],
    [
      "POST",
      "/api/v1/namespaces/shop/configmaps",
      "application/json",
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"shop","name":"web"}}',
    ],
    ["POST", "/api/v1/namespaces/shop/serviceaccounts/web/token", "application/json", '{"spec":{}}'],
    [
      "PATCH",
      "/apis/heauth.io/v1alpha1/tenants/acme/status?fieldManager=heauth-seal&force=true",
      "application/apply-patch+yaml",
      '{"apiVersion":"heauth.io/v1alpha1","kind":"Tenant","metadata":{"name":"acme"}}',
    ],
    [
      "PUT",
      "/apis/heauth.io/v1alpha1/namespaces/shop/authpolicies/web/status",
      "application/json",
      '{"apiVersion":"heauth.io/v1alpha1","kind":"AuthPolicy","metadata":{"namespace":"shop","name":"web"}}',
    ],
    ["PATCH", "/apis/heauth.io/v1alpha1/tenants/acme?fieldManager=me", "application/merge-patch+json", '{"a":null}'],
    [
      "DELETE",
      "/apis/heauth.io/v1alpha1/tenants/acme",
      "application/json",
      '{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"u"}}',
    ],
  ]);
  expect(new Set(api.requests.map(({ headers }) => headers.authorization))).toEqual(new Set(["Bearer s3cret-t0ken"]));
  expect(new Set(api.requests.map(({ socket }) => socket)).size).toBe(1);
});

test.each([
  [400, "BadRequest", "Invalid"],
  [401, "Unauthorized", "Unauthorized"],
  [403, "Forbidden", "Forbidden"],
  [404, "NotFound", "NotFound"],
  [409, "AlreadyExists", "AlreadyExists"],
  [409, "Conflict", "Conflict"],
  [410, "Expired", "Gone"],
  [422, "Invalid", "Invalid"],
  [429, "TooManyRequests", "TooManyRequests"],
  [500, "InternalError", "ServerError"],
  [503, "ServiceUnavailable", "ServerError"],
  [504, "Timeout", "Timeout"],
])("%i %s is %s, in the server's words", async (code, reason, expected) => {
  api.answer((_, response) => json(response, status(code, reason, "so it is"), code));
  await expect(client.get(TENANTS, acme)).rejects.toMatchObject({
    code: expected,
    status: code,
    message: "get tenants/acme: so it is",
    retryAfterMs: undefined,
  });
});

test("a server that has too much to do says for how long", async () => {
  api.answer((_, response) => json(response, status(429, "TooManyRequests", "slow"), 429, { "retry-after": "2" }));
  await expect(client.get(TENANTS, acme)).rejects.toMatchObject({ code: "TooManyRequests", retryAfterMs: 2_000 });
});

test("what is not the API server's answer is not repeated", async () => {
  api.answer((_, response) => response.writeHead(502).end("<html>s3cret-t0ken</html>"));
  await expect(client.get(TENANTS, acme)).rejects.toMatchObject({
    code: "ServerError",
    message: "get tenants/acme: the server answered 502",
  });
  api.answer((_, response) => response.end("<html>"));
  await expect(client.get(TENANTS, acme)).rejects.toMatchObject({ code: "ServerError" });
  await expect(client.list(TENANTS, {})).rejects.toMatchObject({ code: "ServerError" });
});

test("a call has a deadline, and can be given up", async () => {
  api.answer(() => {});
  await expect(client.get(TENANTS, acme, { deadlineMs: 30 })).rejects.toMatchObject({ code: "Timeout" });
  const reason = new Error("enough");
  await expect(client.get(TENANTS, acme, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  api.answer((_, response) => {
    response.writeHead(200, { "content-length": "100" }).write("{");
    controller.abort(reason);
  });
  await expect(client.get(TENANTS, acme, { signal: controller.signal })).rejects.toBe(reason);
});

test("a server that is away, or breaks off, is Unreachable, and no error knows the token", async () => {
  api.answer((_, response) => {
    response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy());
  });
  const broken = await client.get(TENANTS, acme).catch((error) => error);
  expect(broken).toMatchObject({ code: "Unreachable", message: "get tenants/acme: the answer broke off" });
  await api.stop();
  const away = await client.get(TENANTS, acme).catch((error) => error);
  expect(away).toMatchObject({ code: "Unreachable" });
  expect(away.message).toBe(`get tenants/acme: cannot reach ${api.url} (ECONNREFUSED)`);
  expect(inspect([broken, away], { depth: 20, showHidden: true })).not.toContain("s3cret");
});

test("a kept connection that the server has closed is another one's turn, except for what must not be said twice", async () => {
  const used = new Set<unknown>();
  api.answer(({ socket }, response) => {
    if (used.has(socket)) return void socket.resetAndDestroy();
    used.add(socket);
    json(response, { metadata: {} });
  });
  await client.get(TENANTS, acme);
  await client.get(TENANTS, acme);
  expect(used.size).toBe(2);
  await expect(client.create(TENANTS, { metadata: acme })).rejects.toMatchObject({ code: "Unreachable" });
});

test("names that would lead elsewhere, and objects without a place, never leave", async () => {
  for (const name of ["", ".", "..", "a/b", "a%2fb"]) {
    await expect(client.get(TENANTS, { name })).rejects.toMatchObject({ code: "Invalid" });
  }
  await expect(client.get(AUTH_POLICIES, acme)).rejects.toMatchObject({ code: "Invalid" });
  await expect(client.create(AUTH_POLICIES, { metadata: acme })).rejects.toMatchObject({ code: "Invalid" });
  await expect(client.replace(TENANTS, { metadata: {} })).rejects.toMatchObject({ code: "Invalid" });
  expect(api.requests).toEqual([]);
});
