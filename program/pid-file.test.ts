import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { endLeftover, writePidFile } from "./pid-file.ts";
import { processIdentity } from "./process-identity.ts";

const stop = { signal: "SIGTERM", withinMs: 300 } as const;
let folder: string;
let file: string;
let child: ChildProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "heauth-pid-"));
  file = join(folder, "child.pid");
});
afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

async function start(script: string): Promise<number> {
  child = spawn("/bin/sh", ["-c", `${script}; echo ready; while :; do sleep 0.05; done`], { detached: true });
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  return child.pid as number;
}

test("ends the process that was left, and its file", async () => {
  const pid = await start(":");
  writePidFile(file, pid);
  const ended = once(child, "exit");
  expect(await endLeftover(file, stop)).toBe(pid);
  expect((await ended)[1]).toBe("SIGTERM");
  expect(existsSync(file)).toBe(false);
});

test("kills one that does not listen", async () => {
  const pid = await start("trap '' TERM");
  writePidFile(file, pid);
  const ended = once(child, "exit");
  expect(await endLeftover(file, stop)).toBe(pid);
  expect((await ended)[1]).toBe("SIGKILL");
});

test("leaves another process alone that has the pid now", async () => {
  const pid = await start(":");
  writeFileSync(file, JSON.stringify({ pid, identity: "another boot/1" }));
  expect(await endLeftover(file, stop)).toBeUndefined();
  expect(processIdentity(pid)).toBeDefined();
});

test.each(["", "not json", "{}", '{"pid":1,"identity":"x"}', '{"pid":-5,"identity":"x"}'])(
  "a file that says %j is no leftover",
  async (content) => {
    writeFileSync(file, content);
    expect(await endLeftover(file, stop)).toBeUndefined();
  },
);

test("a process that has ended has no identity, this one has", () => {
  expect(processIdentity(process.pid)).toBe(processIdentity(process.pid));
  expect(processIdentity(process.pid)).toBeDefined();
  expect(processIdentity(0x3fffffff)).toBeUndefined();
});
