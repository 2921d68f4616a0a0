import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ends } from "@heauth/program/testing";
import { expect } from "@jest/globals";
import { API_SERVER_STARTS_WITHIN_MS, startApiServer, testKube } from "./index.ts";

testKube(
  "an API server that is stopped leaves no process and no folder",
  async () => {
    const server = await startApiServer({ crds: false });
    const pids = server.pids();
    expect(pids).toHaveLength(2);
    await server.stop();
    await server.stop();
    expect(await Promise.all(pids.map(ends))).toEqual([true, true]);
    expect(existsSync(server.folder)).toBe(false);
  },
  API_SERVER_STARTS_WITHIN_MS,
);

testKube(
  "an API server whose test is killed leaves no process, and its folder until the next one starts",
  async () => {
    const parent = spawn(process.execPath, [join(import.meta.dirname, "testing/parent.ts")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
      const { folder, pids } = JSON.parse(line) as { folder: string; pids: number[] };
      parent.kill("SIGKILL");
      expect(await Promise.all(pids.map(ends))).toEqual([true, true]);
      expect(existsSync(folder)).toBe(true);
      const next = await startApiServer({ crds: false });
      await next.stop();
      expect(existsSync(folder)).toBe(false);
    } finally {
      parent.kill("SIGKILL");
    }
  },
  API_SERVER_STARTS_WITHIN_MS,
);
