import { readdirSync, readFileSync } from "node:fs";

/** A running process, told from a later one with the same pid by when it began. */
export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly started: string;
  readonly command: string;
}

/** proc_pid_stat(5). */
function processOf(pid: number): RunningProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, parent, group] = fields;
    if (state === "Z" || state === "X") return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return { pid, parent: Number(parent), group: Number(group), started: fields[19] ?? "", command };
  } catch {
    return undefined;
  }
}

/**
 * Everything that a process has started, its children's children too, and what shares their process groups (a guard that waits for its
 * parent's end has no parent itself).
 */
export function startedBy(pid: number): RunningProcess[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processOf(Number(name)) ?? []);
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
  return all.filter((one) => one.pid !== pid && family.has(one.pid));
}

/** Those of them that still run. */
export function stillRunning(processes: readonly RunningProcess[]): RunningProcess[] {
  return processes.filter(({ pid, started }) => processOf(pid)?.started === started);
}

/** The one that leads a process group (its guard does not) and whose command line has all of `words`. */
export function theOne(processes: readonly RunningProcess[], ...words: string[]): RunningProcess {
  const isIt = ({ pid, group, command }: RunningProcess) =>
    pid === group && words.every((word) => command.includes(word));
  const found = processes.filter(isIt);
  const [one] = found;
  if (one === undefined || found.length > 1) {
    throw new Error(
      `${found.length} processes with ${words.join(" ")}:\n${processes.map((p) => p.command).join("\n")}`,
    );
  }
  return one;
}
