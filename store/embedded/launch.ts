import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { guarded } from "@heauth/program";
import type { Account } from "./account.ts";

/** Fast shutdown: open transactions are rolled back. The server ends so too when we are killed. */
export const STOP = { signal: "SIGINT", withinMs: 20_000 } as const;
/** The first descriptor after standard error and the guard's pipe. */
const FIRST_HANDLE = 4;

/**
 * Starts one of PostgreSQL's programs as `account`; it does not outlive us. Each of `paths` is opened here and reached there through the open handle, so that
 * no folder above it needs to be open to the account (an absolute path would need every one of them to be).
 */
export function launch(
  program: string,
  paths: string[],
  argumentsFor: (...reachable: string[]) => string[],
  account: Account | undefined,
): ChildProcess {
  const handles = paths.map((path) => openSync(path, "r"));
  try {
    const reachable =
      process.platform === "linux" ? paths.map((_, index) => `/proc/self/fd/${index + FIRST_HANDLE}`) : paths;
    const { command, args } = guarded(program, argumentsFor(...reachable), STOP);
    const launched = spawn(command, args, {
      ...account,
      cwd: "/",
      // Not in this process's group: a Ctrl-C at the terminal must let us drain first.
      detached: true,
      env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "ignore", "pipe", "pipe", ...handles],
    });
    const [, , , guard] = launched.stdio;
    guard?.on("error", () => {}); // it only says that the program has ended
    launched.once("exit", () => guard?.destroy());
    return launched;
  } finally {
    for (const handle of handles) closeSync(handle);
  }
}
