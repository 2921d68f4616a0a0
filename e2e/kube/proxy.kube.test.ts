import { type ClusterClient, CONFIG_MAPS, isClusterError, openCluster } from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { API_SERVER_STARTS_WITHIN_MS, type ApiServer, describeKube, startApiServer } from "./index.ts";

type Proxied = Awaited<ReturnType<ApiServer["proxied"]>>;
const failure = async (of: Promise<unknown>) =>
  await of.then(
    () => undefined,
    (error: unknown) => isClusterError(error) && error.code,
  );
const named = (name: string) => ({ metadata: { namespace: "default", name } });

describeKube("a door to the API server", () => {
  let server: ApiServer;
  let proxy: Proxied;
  let client: ClusterClient;

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
    proxy = await server.proxied();
    ({ client } = await openCluster({ kubeconfig: await proxy.kubeconfig() }));
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(() => server?.stop());
  afterEach(() => {
    proxy.allow();
    proxy.onRequest();
  });

  /** Watches until the connection ends; resolves with the error's code, and with the names it heard of. */
  async function watching() {
    const { resourceVersion } = await client.list(CONFIG_MAPS, {});
    const heard: string[] = [];
    const opened = Promise.withResolvers<void>();
    const onOpen = () => opened.resolve();
    const first = Promise.withResolvers<void>();
    const ended = failure(
      client.watch(
        CONFIG_MAPS,
        { resourceVersion, onOpen },
        ({ object }) => {
          heard.push(object.metadata.name ?? "");
          first.resolve();
        },
        AbortSignal.timeout(20_000),
      ),
    );
    await opened.promise;
    return { heard, first: first.promise, ended };
  }

  test("events come through at once, until it cuts", async () => {
    const watch = await watching();
    await server.client.create(CONFIG_MAPS, named("seen"));
    await watch.first;
    expect(watch.heard).toEqual(["seen"]);
    proxy.cut();
    expect(await watch.ended).toBe("Unreachable");
    expect(await failure(client.list(CONFIG_MAPS, {}))).toBeUndefined();
  });

  test("shut, it lets nobody in", async () => {
    const watch = await watching();
    proxy.refuse();
    expect(await watch.ended).toBe("Unreachable");
    expect(await failure(client.list(CONFIG_MAPS, {}))).toBe("Unreachable");
    proxy.allow();
    expect(await failure(client.list(CONFIG_MAPS, {}))).toBeUndefined();
  });

  test("its hook sees a request before the API server does, and its answer before the client does", async () => {
    const seen: string[] = [];
    const stored = async () => (await failure(server.client.get(CONFIG_MAPS, named("hooked").metadata))) ?? "there";
    proxy.onRequest({
      async before({ method, path }) {
        seen.push(`${method} ${path} ${await stored()}`);
        return undefined;
      },
      async after({ method }, status) {
        seen.push(`${method} ${status} ${await stored()}`);
      },
    });
    await client.create(CONFIG_MAPS, named("hooked"));
    expect(seen).toEqual(["POST /api/v1/namespaces/default/configmaps NotFound", "POST 201 there"]);
  });

  test("its hook can answer itself, and drop a request whose work was done", async () => {
    proxy.onRequest({ before: () => ({ status: 429, message: "later", headers: { "retry-after": "1" } }) });
    await expect(client.create(CONFIG_MAPS, named("refused"))).rejects.toMatchObject({ code: "TooManyRequests" });
    proxy.onRequest({
      after: () => {
        throw new Error("lost on the way");
      },
    });
    expect(await failure(client.create(CONFIG_MAPS, named("lost")))).toBe("Unreachable");
    proxy.onRequest();
    expect(await failure(client.get(CONFIG_MAPS, named("refused").metadata))).toBe("NotFound");
    expect(await failure(client.get(CONFIG_MAPS, named("lost").metadata))).toBeUndefined();
  });
});
