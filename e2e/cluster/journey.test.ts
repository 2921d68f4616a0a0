import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { verifyLedger } from "./testing/cli.ts";
import { type Login, type People, peopleOf } from "./testing/people.ts";
import { closedBlockOf, decisionsOf } from "./testing/rows.ts";
import { createScene, type Scene } from "./testing/scene.ts";

/** What the policy promises (`maxStaleness`), and time for a busy machine. */
const REVOKED_WITHIN_MS = 60_000;

describe("from an installed chart to a protected app", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let people: People;
  let reader: Login;
  const status = async (path: string, token?: string, method = "GET") =>
    (await scene.ask({ path, method, ...(token !== undefined && { token }) })).status;

  beforeAll(async () => {
    cluster = await installedCluster();
    scene = await createScene(cluster, { replicas: 2 });
    people = await peopleOf(cluster, scene.name, scene.client);
  }, 240_000);
  afterAll(async () => {
    await scene?.remove();
  });

  test("a plain Deployment's pods come up injected", async () => {
    const pods = JSON.parse(await scene.kubectl(["get", "pods", "-l", "app=app", "-o", "json"])).items;
    expect(pods).toHaveLength(2);
    for (const { spec, metadata } of pods) {
      expect(metadata.annotations["heauth.io/injected"]).toBeDefined();
      expect(spec.initContainers.map(({ name }: { name: string }) => name)).toEqual(
        expect.arrayContaining(["heauth-redirect", "heauth", "heauth-envoy"]),
      );
    }
  });

  test("a pod that no policy selects stays as it is", async () => {
    const [client] = JSON.parse(await scene.kubectl(["get", "pods", "-l", "app=client", "-o", "json"])).items;
    expect(client.spec.initContainers).toBeUndefined();
  });

  test("requests through the app's Service get what the policy says", async () => {
    reader = await people.logIn(await people.create("reader"));
    expect(await status("/healthz")).toBe(200);
    expect(await status("/file")).toBe(401);
    expect(await status("/file", reader.accessToken)).toBe(200);
    expect(await status("/file", reader.accessToken, "PUT")).toBe(403);
    const writer = await people.logIn(await people.create("writer", ["writer"]));
    expect(await status("/file", writer.accessToken, "PUT")).toBe(200);
    expect(await status("/file", writer.accessToken, "DELETE")).toBe(403);
  });

  test("the session's block shows them", async () => {
    const records = await decisionsOf(cluster, reader.session, 2);
    expect(records.map(({ method, path, decision, action }) => ({ method, path, decision, action }))).toEqual([
      { method: "GET", path: "/file", decision: "Allow", action: "file.read" },
      { method: "PUT", path: "/file", decision: "Deny", action: "file.write" },
    ]);
  });

  test("logging out closes the block, and the token is worth nothing", async () => {
    await people.logOut(reader);
    const answer = await eventually(
      () => status("/file", reader.accessToken),
      (each) => each === 401,
      REVOKED_WITHIN_MS,
    );
    expect(answer).toBe(401);
    expect(await closedBlockOf(cluster, reader.session)).toMatchObject({ reason: "Logout" });
  }, 120_000);

  test("the ledger verifies against the anchor in the Tenant's status", async () => {
    const { code, stdout, stderr } = await eventually(
      () => verifyLedger(cluster, scene.name, "--require-anchor", "--require-complete"),
      (verdict) => verdict.code === 0,
      60_000,
    );
    expect({ code, said: `${stdout}${stderr}` }).toMatchObject({ code: 0, said: expect.stringMatching(/intact/i) });
  }, 90_000);

  test("kubectl get shows how far it has come", async () => {
    expect(await scene.kubectl(["get", "tenant", scene.name])).toMatch(/READY +SEALED[^\n]*\n\S+ +True +\d+/);
    expect(await scene.kubectl(["get", "authpolicies"])).toMatch(/\napp +\S+ +Enforce +True +True +2 +2/);
  });
});
