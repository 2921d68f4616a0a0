import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ends } from "@heauth/program/testing";
import { expect } from "@jest/globals";
import { removeFolder } from "./folder.ts";
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

/** Starts an API server in a process of its own, and kills that; nothing that it started is left. @returns the folder */
async function startAndBeKilled(tmp: string): Promise<string> {
  const parent = spawn(process.execPath, [join(import.meta.dirname, "testing/parent.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TMPDIR: tmp },
  });
  try {
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const { folder, pids } = JSON.parse(line) as { folder: string; pids: number[] };
    parent.kill("SIGKILL");
    expect(await Promise.all(pids.map(ends))).toEqual([true, true]);
    return folder;
  } finally {
    parent.kill("SIGKILL");
  }
}

testKube(
  "an API server whose test is killed leaves no process, and its folder until the next one starts",
  async () => {
    // Those that start meanwhile, in other tests, would take the folder away.
    const tmp = await mkdtemp(join(tmpdir(), "heauth-ending-"));
    try {
      const folder = await startAndBeKilled(tmp);
      expect(existsSync(folder)).toBe(true);
      const next = await startAndBeKilled(tmp);
      expect(existsSync(folder)).toBe(false);
      expect(next.startsWith(tmp)).toBe(true);
    } finally {
      await removeFolder(tmp);
    }
  },
  2 * API_SERVER_STARTS_WITHIN_MS,
);
