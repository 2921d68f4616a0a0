import { join } from "node:path";
import {
  type Child,
  createBackoff,
  createChild,
  inOrder,
  type Logger,
  type LogLevel,
  type Metrics,
  type Part,
  retry,
} from "@heauth/program";
import { createEnvoyProxy, type EnvoyProxy } from "../parts/envoy-proxy.ts";
import { freePort } from "../parts/free-port.ts";
import type { ProtectedApp } from "./config.ts";
import type { DataFolder } from "./folder.ts";

/** Compiling the policy, reaching the hub, opening the journal: all on this machine. */
const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 20_000;

export interface ProtectedAppOptions {
  readonly app: ProtectedApp;
  readonly folder: DataFolder;
  /** A short folder for sockets, of this run's own. */
  readonly runFolder: string;
  /** The hub's socket for this app. */
  readonly hubSocket: string;
  /** The file that `heauth sidecar` is started with. */
  readonly heauth: string;
  readonly envoy: string;
  readonly log: Logger;
  readonly logLevel: LogLevel;
  readonly metrics: Metrics;
}

/** A sidecar and an Envoy, processes of their own, in front of one app. */
export interface RunningApp extends Part {
  /** Where Envoy listens. */
  url(): string;
}

export function createProtectedApp(options: ProtectedAppOptions): RunningApp {
  const { app, runFolder, envoy, log, metrics } = options;
  const name = `${app.namespace}/${app.policy}`;
  const socket = join(runFolder, "ext-authz.sock");
  const sidecar = createSidecarProcess(name, socket, options);
  const proxy: EnvoyProxy = createEnvoyProxy({
    name: `envoy ${name}`,
    binary: envoy,
    runFolder: join(runFolder, "envoy"),
    listen: app.listen,
    upstream: app.upstream,
    sidecarSocket: socket,
    authorizerTimeoutMs: 5_000,
    log,
    restarts: metrics.counter("heauth_child_restarts_total", { child: "envoy" }),
  });
  return { ...inOrder(name, [sidecar, proxy], log), url: proxy.url };
}

function createSidecarProcess(name: string, socket: string, options: ProtectedAppOptions): Child {
  const { app, folder, hubSocket, heauth, log, logLevel, metrics } = options;
  let probes = "";
  // The first start is awaited until requests can be decided; after a crash it is enough that the process lives, because what it
  // waits for may be away for long, and starting it again brings nothing back.
  let page: "readyz" | "healthz" = "readyz";
  return createChild({
    name: `sidecar ${name}`,
    log,
    async command() {
      const listen = `127.0.0.1:${await freePort()}`;
      probes = `http://${listen}`;
      const settings = {
        hub: `unix:${hubSocket}`,
        socket,
        wal: folder.wal(app.namespace, app.policy),
        "identity-keys": folder.ledgerKeys,
        probes: listen,
        "log-level": logLevel,
        "stop-within": "15s",
      };
      const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, value]);
      return { command: process.execPath, args: [heauth, "sidecar", ...flags] };
    },
    async ready(_run, signal) {
      await untilAnswers(() => `${probes}/${page}`, signal);
      page = "healthz";
    },
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    pidFile: join(folder.root, "apps", `${app.namespace}.${app.policy}`, "sidecar.pid"),
    restart: { firstMs: 100, maxMs: 5_000 },
    onLine: (line) => process.stderr.write(`${line}\n`),
    restarts: metrics.counter("heauth_child_restarts_total", { child: "sidecar" }),
  });
}

async function untilAnswers(url: () => string, signal: AbortSignal): Promise<void> {
  await retry(
    async () => {
      const response = await fetch(url(), { signal });
      if (!response.ok) throw new Error(`not ready: ${await response.text()}`);
    },
    { backoff: createBackoff({ firstMs: 20, maxMs: 200 }), signal },
  );
}
