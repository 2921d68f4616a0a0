import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "@heauth/e2e/kube";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { kubeconfigText } from "../testing/index.ts";
import type { ClusterClient } from "./client.ts";
import { openCluster } from "./cluster.ts";
import type { KubeObject } from "./objects.ts";
import { CONFIG_MAPS, SERVICE_ACCOUNTS, TENANTS, TOKEN_REVIEWS } from "./resource-types.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}
interface TokenReview extends KubeObject {
  spec: { token: string };
  status?: { authenticated?: boolean; user?: { username: string }; error?: string };
}

describeKube("the client and a real API server", () => {
  let server: ApiServer;
  let client: ClusterClient;
  const names = ["a", "b", "c", "d"].map((name) => ({ namespace: "default", name }));
  const [a = { name: "" }] = names;

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
    ({ client } = await openCluster({ kubeconfig: await server.kubeconfig() }));
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await server?.stop();
  });
  afterEach(async () => {
    for (const name of names) await client.remove(CONFIG_MAPS, name).catch(() => {});
  });

  test("writes, reads and removes, and says which of two writers was too late", async () => {
    const made = await client.create<ConfigMap>(CONFIG_MAPS, { metadata: { ...a }, data: { x: "1" } });
    await expect(client.create(CONFIG_MAPS, { metadata: { ...a } })).rejects.toMatchObject({ code: "AlreadyExists" });
    const patched = await client.patch<ConfigMap>(CONFIG_MAPS, a, { data: { x: null, y: "2" } });
    expect(patched.data).toEqual({ y: "2" });
    await expect(client.replace(CONFIG_MAPS, made)).rejects.toMatchObject({ code: "Conflict", status: 409 });
    expect((await client.replace<ConfigMap>(CONFIG_MAPS, { ...patched, data: { z: "3" } })).data).toEqual({ z: "3" });
    await expect(client.remove(CONFIG_MAPS, a, { uid: "another" })).rejects.toMatchObject({ code: "Conflict" });
    await client.remove(CONFIG_MAPS, a, { uid: made.metadata.uid ?? "" });
    await expect(client.get(CONFIG_MAPS, a)).rejects.toMatchObject({ code: "NotFound" });
    await expect(client.remove(CONFIG_MAPS, a)).rejects.toMatchObject({ code: "NotFound" });
    await expect(client.list(TENANTS, {})).rejects.toMatchObject({ code: "NotFound" });
  });

  test("apply takes away what its manager wants no more, leaves others' fields, and is refused where it may not force", async () => {
    const applied = async (fieldManager: string, data: Record<string, string>, force = true) =>
      (await client.apply<ConfigMap>(CONFIG_MAPS, { metadata: { ...a }, data }, { fieldManager, force })).data;
    await applied("one", { x: "1", y: "1" });
    await applied("two", { z: "2" });
    expect(await applied("one", { x: "1" })).toEqual({ x: "1", z: "2" });
    await expect(applied("two", { x: "2", z: "2" }, false)).rejects.toMatchObject({ code: "Conflict" });
    expect(await applied("two", { x: "2", z: "2" })).toEqual({ x: "2", z: "2" });
    const [before, after] = [await client.get(CONFIG_MAPS, a), await applied("two", { x: "2", z: "2" })];
    expect(after).toEqual({ x: "2", z: "2" });
    expect((await client.get(CONFIG_MAPS, a)).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    const other = { metadata: { ...a, uid: "another" }, data: {} };
    await expect(client.apply(CONFIG_MAPS, other, { fieldManager: "one" })).rejects.toMatchObject({ code: "Conflict" });
  });

  test("lists page by page, and says when what it continues or watches is forgotten", async () => {
    for (const name of names) await client.create(CONFIG_MAPS, { metadata: { ...name } });
    const first = await client.list(CONFIG_MAPS, { namespace: "default", limit: 2 });
    expect(first.items).toHaveLength(2);
    const { continueToken = "" } = first;
    const second = await client.list(CONFIG_MAPS, { namespace: "default", continueToken });
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual(
      expect.arrayContaining(["a", "b", "c", "d"]),
    );
    for (const name of names) await client.remove(CONFIG_MAPS, name);
    await server.compactEtcd();
    await server.stopServer();
    await server.startServer();
    await expect(client.list(CONFIG_MAPS, { namespace: "default", continueToken })).rejects.toMatchObject({
      code: "Gone",
    });
    const { resourceVersion } = first;
    const never = new AbortController().signal;
    await expect(client.watch(CONFIG_MAPS, { resourceVersion }, () => {}, never)).rejects.toMatchObject({
      code: "Gone",
    });
  }, 60_000);

  test("a service account's token works until it is refused, and who lacks a right is told so", async () => {
    const account = { namespace: "default", name: "clerk" };
    await client.create(SERVICE_ACCOUNTS, { metadata: { ...account } });
    const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 600 } };
    const { status } = await client.createAt<{ status: { token: string } }>(
      SERVICE_ACCOUNTS,
      account,
      "token",
      request,
    );
    const review = async (token: string) =>
      (await client.create<TokenReview>(TOKEN_REVIEWS, { metadata: {}, spec: { token } })).status;
    expect(await review(status.token)).toMatchObject({
      authenticated: true,
      user: { username: "system:serviceaccount:default:clerk" },
    });
    expect((await review("x.y.z"))?.authenticated).not.toBe(true);
    const kubeconfig = await server.kubeconfig({ serviceAccount: "clerk", namespace: "default" });
    const clerk = await openCluster({ kubeconfig });
    await expect(clerk.client.get(CONFIG_MAPS, a)).rejects.toMatchObject({
      code: "Forbidden",
      message: expect.stringContaining('User "system:serviceaccount:default:clerk" cannot get resource "configmaps"'),
    });
    expect(clerk.namespace).toBe("default");
  });

  test("a server of another authority is not spoken to", async () => {
    const file = join(server.folder, "without-ca");
    await writeFile(file, kubeconfigText(server.url, { token: "x" }));
    const stranger = await openCluster({ kubeconfig: file });
    await expect(stranger.client.get(CONFIG_MAPS, a)).rejects.toMatchObject({
      code: "Unreachable",
      message: expect.stringMatching(/\(.*(SIGNED|CERT|LEAF|ISSUER).*\)$/),
    });
  });
});
