import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { processIdentity } from "@heauth/program";

/** A process as it was when it was looked at: its pid may be another's by now, the identity never is. */
export interface SeenProcess {
  readonly pid: number;
  readonly identity: string;
}

/** The process of this pid; undefined when none runs. */
export function seenProcess(pid: number): SeenProcess | undefined {
  const identity = processIdentity(pid);
  return identity === undefined ? undefined : { pid, identity };
}

/** One of those that a process has started. */
export interface StartedProcess extends SeenProcess {
  readonly group: number;
  readonly command: string;
}

/**
 * All that a process has started, what these have, and what shares their process groups: a guard that waits for its parent's end has
 * no parent itself (Linux: proc(5)).
 */
export async function startedBy(pid: number): Promise<StartedProcess[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    names.map(async (name) => {
      const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
      const [, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return { pid: Number(name), parent: Number(parent), group: Number(group) };
    }),
  );
  const family = new Set([pid]);
  const groups = new Set<number>();
  for (let before = 0; before < family.size; ) {
    before = family.size;
    for (const { pid: one, parent, group } of all) {
      if (!family.has(parent) && !groups.has(group)) continue;
      family.add(one);
      if (group === one) groups.add(group);
    }
  }
  const found = await Promise.all(
    all
      .filter((one) => one.pid !== pid && family.has(one.pid))
      .map(async ({ pid: one, group }) => {
        const seen = seenProcess(one);
        return seen && { ...seen, group, command: await commandOf(one) };
      }),
  );
  return found.filter((one) => one !== undefined);
}

async function commandOf(pid: number): Promise<string> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.replaceAll("\0", " ").trim();
}

/** Those of them that have not ended. */
export function stillRunning<P extends SeenProcess>(processes: readonly P[]): P[] {
  return processes.filter(({ pid, identity }) => processIdentity(pid) === identity);
}

/** The one that leads a process group (its guard does not) and whose command line has all of `words`. */
export function theOne(processes: readonly StartedProcess[], ...words: string[]): StartedProcess {
  const found = processes.filter(
    ({ pid, group, command }) => pid === group && words.every((word) => command.includes(word)),
  );
  const [one] = found;
  if (one === undefined || found.length > 1) throw new Error(`${found.length} processes with ${words.join(" ")}`);
  return one;
}

/** SIGKILL, for what is still the same process; another that got its pid is left alone. */
export function endByForce(seen: readonly SeenProcess[]): void {
  for (const { pid } of stillRunning(seen)) process.kill(pid, "SIGKILL");
}

/** The sidecar of NAMESPACE/POLICY, by its pid file. */
export async function sidecarOf(data: string, app: string): Promise<SeenProcess | undefined> {
  const file = join(data, "apps", app.replace("/", "."), "sidecar.pid");
  const noted = JSON.parse(await readFile(file, "utf8").catch(() => "null")) as SeenProcess | null;
  return noted !== null && processIdentity(noted.pid) === noted.identity ? noted : undefined;
}

/** The embedded PostgreSQL, by its own pid file. */
export async function postgresOf(data: string): Promise<SeenProcess | undefined> {
  const pid = Number.parseInt(await readFile(join(data, "postgres", "postmaster.pid"), "utf8").catch(() => ""), 10);
  return pid > 1 ? seenProcess(pid) : undefined;
}
