import { startedBy } from "../standalone/processes.ts";
import { standStill } from "./standing-still.ts";

/** A server with all that it has started stands still: connections stand, and nobody answers. */
export async function hang(pid: number): Promise<void> {
  await each(pid, standStill);
}

/** It goes on. */
export async function goOn(pid: number): Promise<void> {
  await each(pid, (one) => process.kill(one, "SIGCONT"));
}

async function each(pid: number, work: (pid: number) => void): Promise<void> {
  // The first one first: it must not start others meanwhile.
  work(pid);
  for (const { pid: child } of await startedBy(pid)) {
    try {
      work(child);
    } catch (error) {
      // What serves one connection ends with it, also just now.
      if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}
