import { appendFileSync, existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Child, createChild, createLogs, pause, processIdentity, type Run } from "@heauth/program";
import { type CommandResult, runCommand } from "../../kube/command.ts";
import { removeFolder } from "../../kube/folder.ts";
import { removeCgroup } from "./cgroups.ts";
import { connectNode, disconnectNode } from "./network.ts";
import { READY } from "./ready.ts";

const READY_WITHIN_MS = 150_000;
const STOP_WITHIN_MS = 10_000;
/** Dozens of processes have to go, on a busy machine. */
const ENDED_WITHIN_MS = 60_000;
const LOOK_AGAIN_MS = 20;
const { log } = createLogs({ program: "node", level: "silent" });

/** A node that runs. */
export interface RunningNode {
  /** Its first process. */
  readonly pid: number;
  /** Ends it with everything in it. */
  stop(): Promise<void>;
}

/**
 * Starts the node's program in namespaces of its own: of mounts, network, processes, host name and IPC. When its first process ends,
 * the kernel kills every other one there, and takes away what was mounted, every interface and every iptables chain. It is
 * killed when we end, however we end.
 */
export async function startNode(folder: string): Promise<RunningNode> {
  const { promise: ready, resolve: tellReady } = Promise.withResolvers<void>();
  let first: number | undefined;
  const child: Child = createChild({
    name: "node",
    log,
    command: () => ({
      command: "unshare",
      args: [
        ...["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"],
        ...[process.execPath, "--disable-warning=ExperimentalWarning", join(import.meta.dirname, "main.ts"), folder],
      ],
    }),
    ready: async (run, signal) => {
      first = await firstProcess(run, signal);
      writeFileSync(linkFile(folder), connectNode(first));
      await ready;
    },
    readyWithinMs: READY_WITHIN_MS,
    // unshare itself listens to nothing else while its child runs.
    stopSignal: "SIGKILL",
    stopWithinMs: STOP_WITHIN_MS,
    onLine(line) {
      appendFileSync(join(folder, "node.log"), `${line}\n`);
      if (line === READY) tellReady();
    },
  });

  async function ended(): Promise<void> {
    const within = AbortSignal.timeout(ENDED_WITHIN_MS);
    while (first !== undefined && processIdentity(first) !== undefined) await pause(LOOK_AGAIN_MS, within);
  }

  try {
    await child.start();
  } catch (error) {
    await ended();
    throw error;
  }
  const pid = first as unknown as number;
  writeFileSync(pidFile(folder), String(pid));
  return {
    pid,
    async stop() {
      await child.stop(AbortSignal.timeout(STOP_WITHIN_MS));
      await ended();
    },
  };
}

/** Takes away what a node leaves whose processes have ended: its link, its pods' groups and its folder. */
export async function removeNode(folder: string): Promise<void> {
  if (existsSync(linkFile(folder))) disconnectNode(readFileSync(linkFile(folder), "utf8"));
  await removeCgroup(basename(folder));
  await removeFolder(folder);
}

/** Runs a command inside the namespaces of a node that runs, with the machine's programs and files. */
export async function runOnNode(
  folder: string,
  command: string,
  args: readonly string[],
  input = "",
): Promise<CommandResult> {
  const pid = readFileSync(pidFile(folder), "utf8");
  const namespaces = ["--mount", "--net", "--pid", "--uts", "--ipc"];
  return await runCommand("nsenter", ["--target", pid, ...namespaces, "--", command, ...args], {
    input,
    environment: { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, HOME: folder },
  });
}

const pidFile = (folder: string) => join(folder, "node.pid");
const linkFile = (folder: string) => join(folder, "link");

/** The child in the new namespaces; the guard's own children, which are there too for a moment, are in ours. */
async function firstProcess({ pid }: Run, signal: AbortSignal): Promise<number> {
  for (;;) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
    const found = children.find((child) => spaceOf(child) !== undefined && spaceOf(child) !== spaceOf(process.pid));
    if (found !== undefined) return found;
    await pause(LOOK_AGAIN_MS, signal);
  }
}

function spaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
