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

/** All that a process has started, and what these have (Linux: proc(5)). */
export async function descendants(pid: number): Promise<SeenProcess[]> {
  const children = new Map<number, number[]>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (let next = children.get(pid) ?? []; next.length > 0; next = next.flatMap((each) => children.get(each) ?? [])) {
    found.push(...next);
  }
  return found.flatMap((each) => seenProcess(each) ?? []);
}

/** SIGKILL, for what is still the same process; another that got its pid is left alone. */
export function endByForce(seen: readonly SeenProcess[]): void {
  for (const { pid, identity } of seen) {
    if (processIdentity(pid) === identity) process.kill(pid, "SIGKILL");
  }
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
