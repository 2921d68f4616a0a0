import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Record<string, string>;
  /** Told to stop as soon as it has written this to standard error. */
  readonly stopAt?: string;
  /** Told of each line that it writes to standard error. */
  readonly onError?: (line: string) => void;
}

/** Runs `heauth …` to its end, in an environment without settings of heauth's. */
export async function heauth(args: readonly string[], options: RunOptions = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("HEAUTH_"));
  const env = { ...Object.fromEntries(inherited), ...options.env };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}).end(options.input ?? "");
  const { stopAt, onError } = options;
  if (stopAt !== undefined || onError !== undefined) {
    createInterface(child.stderr).on("line", (line) => {
      onError?.(line);
      if (stopAt !== undefined && line.includes(stopAt)) child.kill("SIGTERM");
    });
  }
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr } satisfies Outcome;
}

/** The log's lines, without those that are no JSON. */
export function logged({ stderr }: Outcome): Record<string, unknown>[] {
  return stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}
