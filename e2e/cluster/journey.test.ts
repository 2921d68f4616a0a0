import { expect, test } from "@jest/globals";
import { installedCluster } from "./install/installed.ts";

test("is installed", async () => {
  const cluster = await installedCluster();
  expect((await cluster.kubectl(["get", "pods", "-A"])).stdout).toContain("heauth-hub");
});
