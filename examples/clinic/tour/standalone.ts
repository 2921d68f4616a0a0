/** `heauth`, run as anybody would run it: from outside, by its command line. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const HEAUTH = join(resolve(import.meta.dirname, "../../.."), "node_modules/.bin/heauth");
const LOG_LINES = 2_000;
const READY_WITHIN_MS = 45_000;

export interface RunningStandalone {
  readonly pid: number;
  /** Base URL of identity's API. */
  readonly identity: string;
  /** `NAMESPACE/POLICY` → base URL of the app behind Envoy. */
  readonly apps: ReadonlyMap<string, string>;
  /** The last lines of its log, oldest first. */
  readonly log: readonly string[];
  /** Resolves when it has ended, with its exit code. */
  readonly ended: Promise<number | null>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<number | null>;
}

/** Starts `heauth standalone` and resolves when it prints that it is ready; rejects with its log when it ends before, or takes too long. */
export async function startStandalone(args: readonly string[], env = process.env): Promise<RunningStandalone> {
  const child = spawn(HEAUTH, ["standalone", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.push(line);
    if (log.length > LOG_LINES) log.shift();
  });
  const ended = once(child, "exit").then(([code]) => code as number | null);
  const ready = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on("line", (line) => line.startsWith("ready ") && ready.resolve(line));
  ended.then(
    (code) => ready.reject(new Error(`heauth standalone ended with ${code}:\n${log.join("\n")}`)),
    (error) => ready.reject(error),
  );
  const late = setTimeout(() => child.kill("SIGTERM"), READY_WITHIN_MS);
  const { identity = "", ...apps } = Object.fromEntries(
    addresses(await ready.promise.finally(() => clearTimeout(late))),
  );
  return {
    pid: child.pid ?? 0,
    identity,
    apps: new Map(Object.entries(apps)),
    log,
    ended,
    stop() {
      if (isRunning(child)) child.kill("SIGTERM");
      return ended;
    },
  };
}

/** Runs `heauth …` to its end. */
export async function runHeauth(args: readonly string[], input = ""): Promise<{ code: number | null; output: string }> {
  const child = spawn(HEAUTH, args, { stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

/** Of `ready identity=URL NAMESPACE/POLICY=URL …`. */
function addresses(line: string): [string, string][] {
  return line
    .split(" ")
    .slice(1)
    .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
