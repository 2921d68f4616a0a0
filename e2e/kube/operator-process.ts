import { resolve } from "node:path";
import { createChild, createLogs } from "@heauth/program";
import { eventually } from "../faults/eventually.ts";
import { standStill } from "../faults/standing-still.ts";

const MAIN = resolve(import.meta.dirname, "../../cli/main.ts");
const LOG_LINES = 20_000;
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
const { log: silent } = createLogs({ program: "e2e", level: "silent" });

export interface ProgramOptions {
  /** As `operator`. */
  readonly program: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A `heauth …` program as a process of its own. */
export interface ProgramProcess {
  readonly pid: number;
  /** The last lines of its log, oldest first; parsed where they are JSON. */
  readonly log: readonly Record<string, unknown>[];
  /** Resolves when it has ended, with its exit code, or null after a signal that it did not catch. */
  readonly ended: Promise<number | null>;
  /** Resolves with the first line, from the beginning or from now on, that is as wanted. Rejects when the program has ended before. */
  said(wanted: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** Resolves when it says on its probe port that it is ready. */
  ready(): Promise<void>;
  /** `/healthz` or `/readyz`, as it answers now. */
  probe(path: "healthz" | "readyz"): Promise<{ readonly status: number; readonly problems: Record<string, string> }>;
  /** A metric's value now: of all its label sets together, or of those that have all of `labels`. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  /** SIGTERM unless given, and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
}

/** Starts it; it ends with us, even if we are killed. Resolves as soon as it runs. */
export async function startProgram({ program, flags, env }: ProgramOptions): Promise<ProgramProcess> {
  const log: Record<string, unknown>[] = [];
  const listeners = new Set<(line: Record<string, unknown>) => void>();
  const ended = Promise.withResolvers<number | null>();
  let running = true;

  const child = createChild({
    name: program,
    log: silent,
    // Settings of whoever runs the tests are none of this program's.
    command: () => ({
      command: "/usr/bin/env",
      args: [
        ...Object.keys(process.env).flatMap((name) => (name.startsWith("HEAUTH_") ? ["-u", name] : [])),
        ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
        process.execPath,
        "--disable-warning=ExperimentalWarning",
        MAIN,
        program,
        ...flags,
      ],
    }),
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    onLine(text) {
      const line = parsed(text);
      log.push(line);
      if (log.length > LOG_LINES) log.shift();
      for (const listener of listeners) listener(line);
    },
    onExit({ code }) {
      running = false;
      ended.resolve(code);
    },
  });
  await child.start();
  const pid = child.pid();
  if (pid === undefined) throw new Error(`heauth ${program} did not start:\n${textOf(log)}`);

  /** Rejects when it has ended: then nothing that is waited for will come. */
  const end = ended.promise.then((code): never => {
    throw new Error(`heauth ${program} ended with ${code}:\n${textOf(log)}`);
  });
  end.catch(() => {});
  const signal = (name: NodeJS.Signals) => {
    if (running) process.kill(pid, name);
  };
  const said: ProgramProcess["said"] = async (wanted) => {
    const { promise, resolve: found, reject } = Promise.withResolvers<Record<string, unknown>>();
    const listener = (line: Record<string, unknown>) => wanted(line) && found(line);
    log.forEach(listener);
    listeners.add(listener);
    void end.catch(reject);
    return await promise.finally(() => listeners.delete(listener));
  };
  /** Of the probe server, which listens on a port that it took itself. */
  const address = async () => {
    const { msg } = await said((line) => /^probes at http/.test(String(line["msg"])));
    return String(msg).slice("probes at ".length);
  };
  const probe: ProgramProcess["probe"] = async (path) => {
    const answer = await fetch(`${await address()}/${path}`);
    const { problems } = (await answer.json()) as { problems: Record<string, string> };
    return { status: answer.status, problems };
  };

  return {
    pid,
    log,
    ended: ended.promise,
    said,
    probe,
    async ready() {
      const asked = eventually(
        () => probe("readyz"),
        (answer) => answer.status === 200,
        READY_WITHIN_MS,
      );
      const { status, problems } = await Promise.race([asked, end]);
      if (status !== 200) throw new Error(`not ready: ${JSON.stringify(problems)}\n${textOf(log)}`);
    },
    async metric(name, labels = {}) {
      const text = await (await fetch(`${await address()}/metrics`)).text();
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      const lines = text.split("\n").filter((line) => new RegExp(`^${name}[{ ]`).test(line));
      const found = lines.filter((line) => wanted.every((label) => line.includes(label)));
      return found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
    },
    async stop(name = "SIGTERM") {
      signal("SIGCONT");
      signal(name);
      const late = setTimeout(() => signal("SIGKILL"), STOP_WITHIN_MS);
      return await ended.promise.finally(() => clearTimeout(late));
    },
    pause() {
      if (running) standStill(pid);
    },
    resume: () => signal("SIGCONT"),
  };
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return { msg: text };
  }
}

function textOf(log: readonly Record<string, unknown>[]): string {
  return log
    .slice(-40)
    .map((line) => JSON.stringify(line))
    .join("\n");
}
