import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type Child, type ChildOptions, createChild } from "./child.ts";
import type { Exit, Run } from "./child-run.ts";
import { createLogs } from "./logs.ts";
import { processIdentity } from "./process-identity.ts";
import { ends } from "./testing/index.ts";

const { log } = createLogs({ program: "test", level: "silent" });
const soon = () => AbortSignal.timeout(25_000);
const LOOP = "while :; do sleep 0.05; done";

let folder: string;
let children: Child[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heauth-child-"));
  children = [];
});
afterEach(async () => {
  for (const child of children) await child.stop(soon());
  rmSync(folder, { recursive: true });
});

/** A shell script as a child that is ready when it says so. */
function shell(script: string, options: Partial<ChildOptions> = {}): Child {
  const said = Promise.withResolvers<void>();
  const child = createChild({
    name: "script",
    log,
    command: () => ({ command: "/bin/sh", args: ["-c", script] }),
    readyWithinMs: 25_000,
    stopWithinMs: 300,
    onLine: (line) => {
      if (line === "ready") said.resolve();
    },
    ready: () => said.promise,
    ...options,
  });
  children.push(child);
  return child;
}

test("is ready when it says so, has a pid, and ends with the stop signal", async () => {
  const child = shell(`trap 'echo bye >${folder}/bye; exit 0' TERM; echo ready; ${LOOP}`, {
    stopWithinMs: 25_000,
  });
  await child.start();
  const pid = child.pid() as number;
  expect(processIdentity(pid)).toBeDefined();
  await child.stop(soon());
  expect(child.pid()).toBeUndefined();
  expect(processIdentity(pid)).toBeUndefined();
  expect(readFileSync(join(folder, "bye"), "utf8")).toBe("bye\n");
});

test("is killed, with all that it started, when it does not listen", async () => {
  const child = shell(`trap '' TERM; (trap '' TERM; ${LOOP}) & echo $! >${folder}/grandchild; echo ready; ${LOOP}`);
  await child.start();
  const pid = child.pid() as number;
  const grandchild = Number(readFileSync(join(folder, "grandchild"), "utf8"));
  await child.stop(soon());
  expect(processIdentity(pid)).toBeUndefined();
  expect(await ends(grandchild)).toBe(true);
});

test("is killed at once when the deadline has passed already", async () => {
  const child = shell(`trap '' TERM; echo ready; ${LOOP}`, { stopWithinMs: 60_000 });
  await child.start();
  await child.stop(AbortSignal.abort());
  expect(child.pid()).toBeUndefined();
});

test("what it started ends also when it ends by itself", async () => {
  const ended = Promise.withResolvers<Exit>();
  const script = `(${LOOP}) & echo $! >${folder}/grandchild; echo ready; exit 3`;
  const child = shell(script, { onExit: (exit) => ended.resolve(exit), ready: async () => {} });
  await child.start();
  expect(await ended.promise).toEqual({ code: 3, signal: null });
  expect(await ends(Number(readFileSync(join(folder, "grandchild"), "utf8")))).toBe(true);
});

test("one that ends before it is ready says why", async () => {
  const child = shell("echo 'no such database' >&2; exit 7");
  await expect(child.start()).rejects.toMatchObject({
    code: "ChildFailed",
    message: expect.stringMatching(/script ended with exit code 7 before it was ready:\nno such database/),
  });
});

test("one that does not get ready in time is ended", async () => {
  let pid = 0;
  const ready = (run: Run) => {
    pid = run.pid;
    return new Promise<void>(() => {});
  };
  const child = shell(LOOP, { readyWithinMs: 200, ready });
  await expect(child.start()).rejects.toMatchObject({ code: "StartFailed" });
  expect(pid).toBeGreaterThan(0);
  expect(processIdentity(pid)).toBeUndefined();
});

test("a program that is not there cannot be run", async () => {
  const child = shell("", { command: () => ({ command: "/no/such/program", args: [] }) });
  await expect(child.start()).rejects.toMatchObject({ code: "ChildFailed", message: expect.stringContaining("127") });
});

test("is started again when it ends unexpectedly, until it is stopped", async () => {
  const restarted = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let restarts = 0;
  const child = shell(`echo ready; ${LOOP}`, {
    restart: { firstMs: 10, maxMs: 20 },
    restarts: { add: () => restarted[restarts++]?.resolve() },
    ready: async () => {},
  });
  await child.start();
  for (const { promise } of restarted) {
    const pid = child.pid() as number;
    process.kill(pid, "SIGKILL");
    await promise;
    expect(child.pid()).not.toBe(pid);
  }
  await child.stop(soon());
  expect(restarts).toBe(2);
});

test("stops while it waits to start again", async () => {
  const ended = Promise.withResolvers<void>();
  const child = shell("echo ready; exit 1", {
    ready: async () => {},
    restart: { firstMs: 60_000, maxMs: 60_000 },
    onExit: () => ended.resolve(),
  });
  await child.start();
  await ended.promise;
  await child.stop(soon());
  expect(child.pid()).toBeUndefined();
});

test("can be started again after a stop, and ends what an earlier run had left", async () => {
  const options = { pidFile: join(folder, "child.pid"), ready: async () => {} };
  const left = shell(`echo ready; ${LOOP}`, options);
  await left.start();
  const leftPid = left.pid() as number;
  const child = shell(`echo ready; ${LOOP}`, options);
  await child.start();
  expect(processIdentity(leftPid)).toBeUndefined();
  await child.stop(soon());
  await child.start();
  expect(child.pid()).toBeDefined();
});

test("gets nothing of our environment that might be a secret", async () => {
  process.env["HEAUTH_DATABASE"] = "postgresql://heauth:hidden@db/heauth";
  try {
    await shell(`env >${folder}/env; echo ready; ${LOOP}`).start();
  } finally {
    delete process.env["HEAUTH_DATABASE"];
  }
  const given = readFileSync(join(folder, "env"), "utf8");
  expect(given).toContain(`PATH=${process.env["PATH"]}`);
  expect(given).not.toContain("HEAUTH_");
});
