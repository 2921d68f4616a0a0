import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ends } from "./testing/index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heauth-guard-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs the script under a parent, kills the parent with SIGKILL, and gives the script's pid. */
async function orphan(script: string, stopWithinMs = 500): Promise<number> {
  const parent = spawn(process.execPath, [join(import.meta.dirname, "testing/parent.ts"), `${stopWithinMs}`, script]);
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  parent.kill("SIGKILL");
  await once(parent, "exit");
  return Number(line.toString());
}

test("a child is asked to stop when its parent was killed", async () => {
  const script = `trap 'touch ${folder}/asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done`;
  const pid = await orphan(script, 10_000);
  expect(await ends(pid)).toBe(true);
  expect(existsSync(join(folder, "asked"))).toBe(true);
});

test("a child that does not listen then is killed", async () => {
  expect(await ends(await orphan("trap '' TERM; echo ready; while :; do sleep 0.05; done"))).toBe(true);
});
