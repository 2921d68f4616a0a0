import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Measured {
  requestsPerSecond: number;
  /** Milliseconds. */
  p99: number;
  /** Answers other than 2xx and 3xx. */
  refused: number;
}

/** Sends load to a loopback URL for some seconds with `wrk` (Debian package wrk). */
export async function load(url: string, token: string, connections: number, seconds: number): Promise<Measured> {
  const flags = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-H", `authorization: Bearer ${token}`];
  const { stdout } = await run("wrk", [...flags, url]).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") throw new Error("wrk is missing: apt-get install wrk");
    throw error;
  });
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN);
  const [, p99 = "NaN", unit = "ms"] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  return {
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p99: Number(p99) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? 1),
    refused: number(/Non-2xx or 3xx responses: (\d+)/) || 0,
  };
}
