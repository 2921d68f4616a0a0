import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ProgramError } from "./errors.ts";
import { guarded } from "./guard.ts";
import { send } from "./pid-file.ts";

export interface ChildCommand {
  command: string;
  args: string[];
  folder?: string;
  /** The user and group to run as; ours unless given. */
  uid?: number;
  gid?: number;
  /** `lines` gives each line to `onLine`; `inherit` lets the child write to our standard error itself. */
  stderr?: "lines" | "inherit";
}

export type LineListener = (line: string, stream: "stdout" | "stderr") => void;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** One run of a child process, from its spawn to its exit. */
export interface Run {
  readonly pid: number;
  /** Resolves when the process has ended and what was left of its process group has been killed. */
  readonly exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL to the whole process group. */
  kill(): void;
}

const TAIL_LINES = 12;

/** Starts the command in a process group of its own, under the guard. Rejects with `ChildFailed` when it cannot be run. */
export async function startRun(
  child: ChildCommand,
  stop: { signal: NodeJS.Signals; withinMs: number },
  onLine: LineListener,
): Promise<Run> {
  const { command, args } = guarded(child.command, child.args, stop);
  const spawned = spawn(command, args, {
    detached: true,
    stdio: ["ignore", "pipe", child.stderr === "inherit" ? "inherit" : "pipe", "pipe"],
    env: passedOn(process.env),
    ...(child.folder === undefined ? {} : { cwd: child.folder }),
    ...(child.uid === undefined ? {} : { uid: child.uid }),
    ...(child.gid === undefined ? {} : { gid: child.gid }),
  });
  const pid = await spawnedPid(spawned, child.command);
  // Writing to the guard's pipe is never needed; an error on it only says that the child has ended.
  spawned.stdio[3]?.on("error", () => {});

  const { promise: exited, resolve } = Promise.withResolvers<Exit>();
  spawned.once("exit", (code, signal) => {
    send(-pid, "SIGKILL");
    spawned.stdio[3]?.destroy();
    resolve({ code, signal });
  });
  for (const stream of ["stdout", "stderr"] as const) {
    const source = spawned[stream];
    if (source !== null) createInterface({ input: source }).on("line", (line) => onLine(line, stream));
  }
  return {
    pid,
    exited,
    signal: (signal) => void send(pid, signal),
    kill: () => void send(-pid, "SIGKILL"),
  };
}

/** What a child gets of our environment: no settings of ours, which may hold a database's password. */
function passedOn(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => /^(PATH|HOME|TMPDIR|TZ|LANG|LC_[A-Z]+|NODE_[A-Z_]+)$/.test(name)),
  );
}

async function spawnedPid(spawned: ChildProcess, command: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  spawned.once("spawn", resolve);
  spawned.once("error", reject);
  try {
    await promise;
  } catch (error) {
    throw new ProgramError("ChildFailed", `cannot run ${command}`, { cause: error });
  }
  return spawned.pid as number;
}

/** Keeps the last lines, to say why a child ended. */
export function createTail(): { add(line: string): void; text(): string } {
  const lines: string[] = [];
  return {
    add(line) {
      lines.push(line);
      if (lines.length > TAIL_LINES) lines.shift();
    },
    text: () => lines.join("\n"),
  };
}
