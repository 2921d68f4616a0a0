import { readdirSync, readFileSync } from "node:fs";

const STANDS_WITHIN_MS = 5_000;

/** SIGSTOP. Returns when none of the process's threads runs any more: the signal alone lets an answer out that is being written. */
export function standStill(pid: number): void {
  process.kill(pid, "SIGSTOP");
  const until = performance.now() + STANDS_WITHIN_MS;
  while (!stands(pid)) {
    if (performance.now() > until) throw new Error(`process ${pid} does not stand still`);
  }
}

function stands(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
      // The name before it may contain anything, brackets too: proc(5).
      return /^[TtZX]$/.test(stat.charAt(stat.lastIndexOf(")") + 2));
    } catch (error) {
      // The thread has ended since it was listed.
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return true;
      throw error;
    }
  });
}
