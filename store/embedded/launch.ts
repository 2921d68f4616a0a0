import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Account } from "./account.ts";

/**
 * Starts one of PostgreSQL's programs as `account`. Each of `paths` is opened here and reached there through the open handle, so that
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
    const reachable = process.platform === "linux" ? paths.map((_, index) => `/proc/self/fd/${index + 3}`) : paths;
    return spawn(program, argumentsFor(...reachable), {
      ...account,
      cwd: "/",
      // Not in this process's group: a Ctrl-C at the terminal must let us drain first.
      detached: true,
      env: { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" },
      stdio: ["ignore", "ignore", "pipe", ...handles],
    });
  } finally {
    for (const handle of handles) closeSync(handle);
  }
}
