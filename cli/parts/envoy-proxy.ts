import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  asError,
  type Counter,
  createBackoff,
  createChild,
  type HostPort,
  type Logger,
  type Part,
  retry,
} from "@heauth/program";
import { drain, servingAddress } from "./envoy-admin.ts";
import { type EnvoySettings, envoyBootstrap, listenerUrl } from "./envoy-bootstrap.ts";
import { PartError } from "./errors.ts";

export interface EnvoyProxyOptions extends Omit<EnvoySettings, "adminSocket"> {
  /** For logs. */
  name: string;
  /** The binary, from `findEnvoy()`. */
  binary: string;
  /** A short folder of this Envoy's own: its configuration, admin socket and pid file. Made when absent, mode 0700. */
  runFolder: string;
  log: Logger;
  restarts?: Counter;
}

/** A real Envoy in front of one app. */
export interface EnvoyProxy extends Part {
  /** `http://HOST:PORT`, once started. */
  url(): string;
  pid(): number | undefined;
  readonly adminSocket: string;
}

const READY_WITHIN_MS = 15_000;
const STOP_WITHIN_MS = 5_000;
/** Requests that take longer are cut off. */
const DRAIN_WITHIN_MS = 10_000;
const VALIDATE_WITHIN_MS = 15_000;
const run = promisify(execFile);

/** One worker, no hot restart, no base id to collide on, its log lines one event each. */
const flags = ["--concurrency", "1", "--disable-hot-restart", "--log-format", "%l %n %v", "--log-level", "warning"];

export function createEnvoyProxy({
  name,
  binary,
  runFolder,
  log,
  restarts,
  ...settings
}: EnvoyProxyOptions): EnvoyProxy {
  const adminSocket = join(runFolder, "admin.sock");
  const configFile = join(runFolder, "envoy.json");
  let listen = settings.listen;

  async function writeConfig(): Promise<void> {
    await mkdir(runFolder, { recursive: true, mode: 0o700 });
    await writeFile(configFile, envoyBootstrap({ ...settings, listen, adminSocket }), { mode: 0o600 });
  }

  const child = createChild({
    name,
    log,
    command: async () => {
      // Envoy does not take over the socket of an Envoy that was killed.
      await rm(adminSocket, { force: true });
      return { command: binary, args: ["-c", configFile, ...flags] };
    },
    pidFile: join(runFolder, "envoy.pid"),
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    restart: { firstMs: 200, maxMs: 10_000 },
    onLine: (line) => logLine(log, name, line),
    ready: async (_run, signal) => {
      const address = await untilServing(adminSocket, signal);
      if (listen.port === 0) {
        // The same address again after a restart.
        listen = { host: listen.host, port: address.port };
        await writeConfig();
      }
    },
    ...(restarts === undefined ? {} : { restarts }),
  });

  return {
    name,
    adminSocket,
    pid: child.pid,
    url: () => listenerUrl(listen),
    async start() {
      await writeConfig();
      await validate(binary, configFile);
      await child.start();
    },
    async stop(deadline) {
      if (child.pid() !== undefined) {
        const signal = AbortSignal.any([deadline, AbortSignal.timeout(DRAIN_WITHIN_MS)]);
        await drain(adminSocket, signal).catch((error) =>
          log.warn({ child: name, err: asError(error) }, "not every request under way was waited for"),
        );
      }
      await child.stop(deadline);
    },
  };
}

/** Asks Envoy itself whether the configuration is good. */
async function validate(binary: string, configFile: string): Promise<void> {
  try {
    await run(binary, ["--mode", "validate", "-c", configFile, ...flags], { timeout: VALIDATE_WITHIN_MS });
  } catch (error) {
    const { stderr = "", code } = error as { stderr?: string; code?: unknown };
    // It repeats the whole configuration before it says what is wrong.
    const reason = stderr.trim().split("\n").at(-1) || `it ended with ${String(code)}`;
    throw new PartError("EnvoyFailed", `Envoy refuses ${configFile} ${reason}`);
  }
}

/** Envoy says so itself, and a client gets a connection. There is no event to await: it is another process. */
async function untilServing(adminSocket: string, signal: AbortSignal): Promise<HostPort> {
  const backoff = createBackoff({ firstMs: 10, maxMs: 100 });
  return retry(
    async () => {
      const address = await servingAddress(adminSocket, signal);
      await accepts(address);
      return address;
    },
    { backoff, signal },
  );
}

async function accepts({ host, port }: HostPort): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const target = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const socket = connect({ host: target, port }, resolve).on("error", reject);
  try {
    await promise;
  } finally {
    socket.destroy();
  }
}

function logLine(log: Logger, name: string, line: string): void {
  const asked = line.includes("caught ENVOY_SIGTERM");
  const level = /^(critical|error)/.test(line) ? "error" : /^warning/.test(line) && !asked ? "warn" : "debug";
  log[level]({ child: name }, line);
}
