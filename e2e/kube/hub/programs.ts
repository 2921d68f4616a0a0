import { fileURLToPath } from "node:url";
import { type Child, createBackoff, createChild, createLogs, retry } from "@heauth/program";
import { freePort } from "heauth/parts";

const HEAUTH = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));
const LOG_LINES = 2_000;
const { log: silent } = createLogs({ program: "e2e", level: "silent" });

/** A program of heauth's as a process of its own; it ends with us. */
export interface RunningProgram {
  readonly child: Child;
  /** The last lines of its log, oldest first. */
  readonly log: readonly string[];
  /** One value of its metrics; NaN where there is none. */
  metric(name: string): Promise<number>;
  /** Resident memory, bytes. */
  memory(): Promise<number>;
  isReady(): Promise<boolean>;
}

/** Starts `heauth PROGRAM --FLAG VALUE …` and waits until it is ready. */
export async function startProgram(program: string, flags: Readonly<Record<string, string>>): Promise<RunningProgram> {
  const probes = `http://127.0.0.1:${await freePort()}`;
  const log: string[] = [];
  const all = { ...flags, probes: new URL(probes).host };
  const child = createChild({
    name: program,
    log: silent,
    command: () => ({
      command: process.execPath,
      args: [HEAUTH, program, ...Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, value])],
    }),
    ready: (_run, signal) =>
      retry(
        async () => {
          const answer = await fetch(`${probes}/readyz`, { signal });
          if (!answer.ok) throw new Error(`not ready: ${await answer.text()}`);
        },
        { backoff: createBackoff({ firstMs: 50, maxMs: 200 }), signal },
      ),
    readyWithinMs: 30_000,
    stopWithinMs: 20_000,
    onLine: (line) => {
      log.push(line);
      if (log.length > LOG_LINES) log.shift();
    },
  });
  await child.start().catch((error) => {
    throw new Error(`${program} did not start:\n${log.join("\n")}`, { cause: error });
  });
  const metric = async (name: string) => {
    const text = await (await fetch(`${probes}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1) ?? Number.NaN);
  };
  return {
    child,
    log,
    metric,
    memory: () => metric("heauth_process_resident_bytes"),
    isReady: async () => (await fetch(`${probes}/readyz`)).ok,
  };
}
