import { readFileSync, readlinkSync } from "node:fs";
import { readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { EmbeddedPostgresError } from "./errors.ts";

// Fast shutdown, then immediate, then the kernel's.
const PATIENCE = [
  ["SIGINT", 20_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
] as const;

/**
 * Ends the server that a crashed process left running on this data folder, if there is one.
 *
 * @throws EmbeddedPostgresError `InUse` when it does not end
 */
export async function endLeftover(dataDir: string): Promise<void> {
  const pid = await serverPid(dataDir);
  if (pid === undefined) return;
  for (const [signal, patience] of PATIENCE) {
    if (!send(pid, signal)) return;
    for (let waited = 0; waited < patience; waited += 20) {
      if (!isAlive(pid)) return;
      await pause(20);
    }
  }
  throw new EmbeddedPostgresError("InUse", `${dataDir} is in use by the server ${pid}, which does not end`);
}

/** The pid of the live server on this data folder, whoever started it. */
export async function serverPid(dataDir: string): Promise<number | undefined> {
  const noted = await readFile(join(dataDir, "postmaster.pid"), "utf8").catch(() => "");
  const pid = Number.parseInt(noted, 10);
  return pid > 0 && isAlive(pid) && (await isServerOf(pid, dataDir)) ? pid : undefined;
}

export function isAlive(pid: number): boolean {
  // A zombie that nobody has collected yet is gone for our purposes.
  return send(pid, 0) && processStat(pid)?.[0] !== "Z";
}

/** Ticks since boot at which the process began (proc(5), stat field 22); absent where there is no /proc. */
export function startTime(pid: number): string | undefined {
  return processStat(pid)?.[19];
}

/** Where /proc tells (Linux): a server stands in its data folder. Elsewhere the pid file's word is taken. */
async function isServerOf(pid: number, dataDir: string): Promise<boolean> {
  if (process.platform !== "linux") return true;
  try {
    const [folder, program] = [readlinkSync(`/proc/${pid}/cwd`), readlinkSync(`/proc/${pid}/exe`)];
    return folder === (await realpath(dataDir)) && basename(program).startsWith("postgres");
  } catch {
    return false;
  }
}

/** @returns false when there is no such process */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Fields of /proc/PID/stat from the third (state) on: the second may hold spaces and parentheses. */
function processStat(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
