import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { eventually } from "../faults/eventually.ts";
import { type InstalledCluster, installedCluster } from "./install/installed.ts";
import { createScene, type Scene } from "./testing/scene.ts";

const OPEN = 9000;
const UNDECLARED = 9001;
const WITHIN_MS = 60_000;

describe("a port that the policy lets through", () => {
  let cluster: InstalledCluster;
  let scene: Scene;
  let address: string;

  beforeAll(async () => {
    cluster = await installedCluster();
    const image = { image: cluster.images.echo, imagePullPolicy: "IfNotPresent" };
    const containers = [8080, OPEN, UNDECLARED].map((port) => ({
      name: `on-${port}`,
      ...image,
      args: ["listen", `${port}`],
    }));
    scene = await createScene(cluster, { policy: { passthroughPorts: [OPEN] }, pod: { containers } });
    address = await scene.kubectl(["get", "pods", "-l=app=app", "-o=jsonpath={.items[0].status.podIP}"]);
  }, 240_000);
  afterAll(async () => {
    await scene?.remove();
  });

  /** The status, or that no answer came. */
  const at = (port: number, path = "/file") =>
    scene.ask({ url: `http://${address}:${port}${path}` }).then(
      ({ status }) => status,
      () => "closed" as const,
    );
  const letThrough = (passthroughPorts: readonly number[]) =>
    scene.kubectl([
      "patch",
      "authpolicy/app",
      "--type=merge",
      `--patch=${JSON.stringify({ spec: { passthroughPorts } })}`,
    ]);

  test("takes connections without a session, and tells how many; no other port does", async () => {
    expect(await Promise.all([at(8080), at(OPEN), at(UNDECLARED)])).toEqual([401, 200, "closed"]);
    const counted = `"port":"${OPEN}","connections":1,`;
    const log = await eventually(
      () => scene.kubectl(["logs", "deployment/app", "-c=heauth"]),
      (lines) => lines.includes(counted),
      WITHIN_MS,
    );
    expect(log).toContain(counted);
  }, 120_000);

  test("is closed and opened again with the policy; heauth's own ports are refused", async () => {
    await letThrough([]);
    expect(
      await eventually(
        () => at(OPEN),
        (answer) => answer === "closed",
        WITHIN_MS,
      ),
    ).toBe("closed");
    expect(await at(8080)).toBe(401);
    await letThrough([OPEN]);
    expect(
      await eventually(
        () => at(OPEN),
        (answer) => answer === 200,
        WITHIN_MS,
      ),
    ).toBe(200);
    // Envoy's, and the health port.
    for (const own of [15_006, 15_020]) {
      await letThrough([OPEN, own]);
      const enforced = "-o=jsonpath={.status.conditions[?(@.type=='Enforced')]}";
      const why = `port ${own} is heauth's own`;
      const said = await eventually(
        () => scene.kubectl(["get", "authpolicy/app", enforced]),
        (condition) => condition.includes(why),
        WITHIN_MS,
      );
      expect(JSON.parse(said)).toMatchObject({ status: "False", reason: "SidecarRefused" });
      expect(said).toContain(why);
    }
    expect(await at(OPEN)).toBe(200);
  }, 240_000);
});
