import {
  API_SERVER_STARTS_WITHIN_MS,
  type ApiProxy,
  type ApiServer,
  describeKube,
  startApiServer,
} from "@heauth/e2e/kube";
import { CONFIG_MAPS, type KubeObject, openCluster } from "@heauth/program/kubernetes";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { createFollower, type Follower } from "../testing/follower.ts";

/** The longest wait between two tries, and one try of a machine that is busy. */
const RECOVERS_WITHIN_MS = 15_000;

describeKube("an informer and a real API server", () => {
  let server: ApiServer;
  let door: ApiProxy;
  let follower: Follower;

  beforeAll(async () => {
    server = await startApiServer({ crds: false });
  }, API_SERVER_STARTS_WITHIN_MS);
  afterAll(async () => {
    await server?.stop();
  });

  beforeEach(async () => {
    const proxied = await server.proxied();
    door = proxied;
    const { client } = await openCluster({ kubeconfig: await proxied.kubeconfig() });
    follower = createFollower(client, CONFIG_MAPS, { labelSelector: "heauth.io/test", quietMs: 2_000 });
  });
  afterEach(async () => {
    await follower.informer.stop(AbortSignal.timeout(1_000));
    await door.stop();
    const { items } = await server.client.list(CONFIG_MAPS, { labelSelector: "heauth.io/test" });
    for (const { metadata } of items) await server.client.remove(CONFIG_MAPS, place(metadata.name));
  });

  const place = (name = "") => ({ namespace: "default", name });
  const object = (name: string, text: string) =>
    ({ metadata: { ...place(name), labels: { "heauth.io/test": "" } }, data: { text } }) as KubeObject;
  const put = async (name: string, text: string) => await server.client.create(CONFIG_MAPS, object(name, text));
  const change = async (name: string, text: string) =>
    await server.client.patch(CONFIG_MAPS, place(name), { data: { text } });
  const remove = async (name: string) => await server.client.remove(CONFIG_MAPS, place(name));

  async function started(): Promise<void> {
    await follower.informer.start();
    await follower.informer.synced;
  }

  test("tells of what is there, of changes, of deletions, and of labels that come and go", async () => {
    await put("a", "1");
    await started();
    await put("b", "1");
    await change("a", "2");
    await server.client.patch(CONFIG_MAPS, place("b"), { metadata: { labels: { "heauth.io/test": null } } });
    await remove("a");
    await follower.told("-a 2");
    expect(follower.changes).toEqual(["+a 1", "+b 1", "~a 1 2", "-b 1", "-a 2"]);
    await remove("b");
  });

  test("what happened behind a shut door is told when it opens: each thing once", async () => {
    for (const name of ["changed", "removed", "replaced", "untouched"]) await put(name, "1");
    await started();
    door.refuse();
    await change("changed", "2");
    await change("changed", "3");
    await remove("removed");
    await remove("replaced");
    await put("replaced", "2");
    await put("new", "1");
    const openedMs = performance.now();
    door.allow();
    await follower.told("+new 1");
    expect(performance.now() - openedMs).toBeLessThan(RECOVERS_WITHIN_MS);
    expect(follower.changes.slice(4).sort()).toEqual(
      ["+new 1", "-removed 1", "~changed 1 3", "~replaced 1 2 (another)"].sort(),
    );
    expect(follower.informer.size).toBe(4);
  }, 60_000);

  test("watches that are cut again and again lose nothing", async () => {
    await started();
    await put("a", "0");
    const restarts = async () => (await follower.restarts())["cut"] ?? 0;
    // What is cut before it is open again is no restart of a watch.
    for (let round = 1; round <= 5 || (await restarts()) < 2; round++) {
      door.cut();
      await change("a", `${round}`);
      if (round % 2 === 0) await follower.holds(() => follower.informer.get(place("a"))?.text === `${round}`);
    }
  }, 120_000);

  test("an API server that was away is followed again, without telling anything twice", async () => {
    await put("a", "1");
    await started();
    await server.stopServer();
    await server.startServer();
    const upMs = performance.now();
    await change("a", "2");
    await follower.told("~a 1 2");
    expect(performance.now() - upMs).toBeLessThan(RECOVERS_WITHIN_MS);
    expect(follower.changes).toEqual(["+a 1", "~a 1 2"]);
    expect(follower.informer.problem()).toBeUndefined();
  }, 120_000);

  test("an API server that froze is noticed by its silence, and followed again when it wakes", async () => {
    await put("a", "1");
    await started();
    await change("a", "2");
    // Now it watches.
    await follower.told("~a 1 2");
    server.pause();
    try {
      await follower.holds(() => follower.informer.problem() !== undefined);
    } finally {
      server.resume();
    }
    await change("a", "3");
    await follower.told("~a 2 3");
    expect(follower.changes).toEqual(["+a 1", "~a 1 2", "~a 2 3"]);
    expect((await follower.restarts())["quiet"]).toBeGreaterThanOrEqual(1);
  }, 120_000);
});
