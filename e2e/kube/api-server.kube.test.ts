import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CONFIG_MAPS,
  isClusterError,
  openCluster,
  PODS,
  SERVICE_ACCOUNTS,
  TENANTS,
  TOKEN_REVIEWS,
} from "@heauth/program/kubernetes";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "./index.ts";

const hub = { namespace: "default", name: "hub" };
const failure = async (of: Promise<unknown>) =>
  await of.then(
    () => undefined,
    (error: unknown) => isClusterError(error) && error.code,
  );

describeKube("an API server for tests", () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await startApiServer();
    await server.client.create(SERVICE_ACCOUNTS, { metadata: hub });
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());

  test("serves Tenants to the admin, and to nobody without rights", async () => {
    expect(await server.client.list(TENANTS, {})).toMatchObject({ items: [] });
    const kubeconfig = await server.kubeconfig({ serviceAccount: hub.name, namespace: hub.namespace });
    const { client, namespace } = await openCluster({ kubeconfig });
    expect(namespace).toBe(hub.namespace);
    expect(await failure(client.list(TENANTS, {}))).toBe("Forbidden");
  });

  test("takes pods as objects, and binds tokens to them", async () => {
    const spec = { serviceAccountName: hub.name, containers: [{ name: "app", image: "app" }] };
    const metadata = { namespace: "default", name: "web-0" };
    const pod = await server.client.create(PODS, { metadata, spec } as {
      metadata: typeof metadata & { uid?: string };
    });
    const boundPod = { name: "web-0", uid: pod.metadata.uid ?? "" };
    const token = await server.token(hub, { audience: "heauth-hub", seconds: 600, boundPod });
    const review = async (audience: string) => {
      const body = { metadata: {}, spec: { token, audiences: [audience] } };
      return await server.client.create<typeof body & { status?: object }>(TOKEN_REVIEWS, body);
    };
    expect((await review("heauth-hub")).status).toMatchObject({
      authenticated: true,
      audiences: ["heauth-hub"],
      user: {
        username: "system:serviceaccount:default:hub",
        extra: {
          "authentication.kubernetes.io/pod-name": ["web-0"],
          "authentication.kubernetes.io/pod-uid": [boundPod.uid],
        },
      },
    });
    expect((await review("elsewhere")).status).not.toHaveProperty("authenticated");
  });

  test("writes down who asked what", async () => {
    const kubeconfig = await server.kubeconfig({ serviceAccount: hub.name, namespace: hub.namespace });
    const { client } = await openCluster({ kubeconfig });
    await failure(client.get(TENANTS, { name: "nobody" }));
    expect(await server.audit()).toContainEqual(
      expect.objectContaining({
        verb: "get",
        requestURI: "/apis/heauth.io/v1alpha1/tenants/nobody",
        user: expect.objectContaining({ username: "system:serviceaccount:default:hub" }),
        objectRef: expect.objectContaining({ resource: "tenants", name: "nobody", apiGroup: "heauth.io" }),
        responseStatus: expect.objectContaining({ code: 403 }),
      }),
    );
  });

  test(
    "goes away and comes back at the same address with what it knew",
    async () => {
      await server.client.create(CONFIG_MAPS, { metadata: { namespace: "default", name: "kept" } });
      await server.stopServer();
      expect(await failure(server.client.get(CONFIG_MAPS, { namespace: "default", name: "kept" }))).toBe("Unreachable");
      await server.startServer();
      expect(await server.client.get(CONFIG_MAPS, { namespace: "default", name: "kept" })).toBeDefined();
    },
    API_SERVER_STARTS_WITHIN_MS,
  );

  test("stands still and goes on", async () => {
    server.pause();
    expect(await failure(server.client.list(CONFIG_MAPS, {}, { deadlineMs: 300 }))).toBe("Timeout");
    server.resume();
    expect(await failure(server.client.list(CONFIG_MAPS, {}))).toBeUndefined();
  });

  test(
    "has forgotten what was before a compaction and a new start",
    async () => {
      const { resourceVersion } = await server.client.list(CONFIG_MAPS, {});
      for (const name of ["one", "two"])
        await server.client.create(CONFIG_MAPS, { metadata: { namespace: "default", name } });
      await server.compactEtcd();
      await server.stopServer();
      await server.startServer();
      const watching = server.client.watch(CONFIG_MAPS, { resourceVersion }, () => {}, AbortSignal.timeout(60_000));
      expect(await failure(watching)).toBe("Gone");
    },
    API_SERVER_STARTS_WITHIN_MS,
  );

  test(
    "says why it does not start",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "heauth-kube-bad-"));
      await mkdir(join(folder, "etcd"));
      await writeFile(join(folder, "etcd/member"), "not a folder");
      try {
        await expect(startApiServer({ folder })).rejects.toThrow(/etcd ended with exit code 1 .*member/s);
        expect(await readFile(join(folder, "etcd.log"), "utf8")).toContain("member");
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    API_SERVER_STARTS_WITHIN_MS,
  );
});
