import { appendFileSync } from "node:fs";
import { type BackoffOptions, type Child, createChild, createLogs, type Run } from "@heauth/program";

export interface ServerProcess {
  /** Also the name of its log in the folder. */
  readonly name: string;
  readonly folder: string;
  readonly command: string;
  readonly args: () => string[];
  /** At once unless given. */
  readonly ready?: (run: Run, signal: AbortSignal) => Promise<void>;
  /** How it is started again when it ends; it is not unless given. */
  readonly restart?: BackoffOptions;
  readonly pidFile?: string;
}

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 5_000;
const { log } = createLogs({ program: "kube", level: "silent" });

/**
 * A server whose log stays in the folder as NAME.log. It ends with us, even if we are killed; its last lines are in the error when
 * it does not start.
 */
export function createServer({ name, folder, command, args, ...options }: ServerProcess): Child {
  return createChild({
    name,
    log,
    command: () => ({ command, args: args(), folder }),
    ...options,
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    onLine: (line) => appendFileSync(`${folder}/${name}.log`, `${line}\n`),
  });
}

/** `--name=value` of each that has a value. */
export function flagsOf(flags: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}=${value}`]));
}
