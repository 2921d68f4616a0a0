import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { pause } from "./backoff.ts";
import { ProgramError } from "./errors.ts";
import { processIdentity } from "./process-identity.ts";

const content = z.object({ pid: z.int().min(2), identity: z.string().min(1) });
const LOOK_AGAIN_MS = 25;

/** Writes down which process runs, so that a later run of ours can end it if we cannot. */
export function writePidFile(path: string, pid: number): void {
  const identity = processIdentity(pid);
  if (identity === undefined) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, `${JSON.stringify({ pid, identity })}\n`, { mode: 0o600 });
}

export function removePidFile(path: string): void {
  rmSync(path, { force: true });
}

/**
 * Ends the process that a former run of ours left behind, with its process group, if it is the same one that the file names and not
 * another that got its pid. Returns its pid if there was one. Throws `ChildFailed` when it does not go away.
 */
export async function endLeftover(
  path: string,
  stop: { signal: NodeJS.Signals; withinMs: number },
): Promise<number | undefined> {
  const left = read(path);
  if (left === undefined || processIdentity(left.pid) !== left.identity) {
    removePidFile(path);
    return undefined;
  }
  const gone = () => processIdentity(left.pid) !== left.identity;
  send(left.pid, stop.signal);
  if (!(await within(stop.withinMs, gone))) {
    send(-left.pid, "SIGKILL");
    if (!(await within(stop.withinMs, gone))) {
      throw new ProgramError("ChildFailed", `process ${left.pid}, left by a former run, does not end`);
    }
  }
  removePidFile(path);
  return left.pid;
}

function read(path: string): z.infer<typeof content> | undefined {
  try {
    return content.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Not a child of ours, so there is no event to await. */
async function within(ms: number, gone: () => boolean): Promise<boolean> {
  const until = performance.now() + ms;
  while (!gone()) {
    if (performance.now() > until) return false;
    await pause(LOOK_AGAIN_MS);
  }
  return true;
}

/** Signals a process, or a group by its negative id; false when there is none. Other errors are thrown. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
