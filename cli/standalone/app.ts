import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { callerOfSocket, type SocketDoor } from "@heauth/hub";
import { inOrder, type Part, type ProgramContext, systemClock, unlessAborted } from "@heauth/program";
import { ensureDatabase } from "@heauth/store";
import { deferred } from "../cluster/deferred.ts";
import { writeDurably } from "../durable-file.ts";
import { CliError } from "../errors.ts";
import { createEmbeddedDatabase } from "../parts/embedded-database.ts";
import { findEnvoy } from "../parts/find-envoy.ts";
import type { ProtectedApp, StandaloneConfig } from "./config.ts";
import { type DataFolder, dataFolder } from "./folder.ts";
import { createPrograms, type Programs } from "./programs.ts";
import { createProtectedApp, type RunningApp } from "./protected-app.ts";

const DATABASE = "heauth";

export interface Standalone {
  readonly parts: Part[];
  /** `identity=URL NAMESPACE/POLICY=URL …`, once everything has started. */
  addresses(): string;
}

/** All of heauth on one machine: database, programs, and a sidecar and an Envoy in front of each app, in the order of their start. */
export async function createStandalone(context: ProgramContext<StandaloneConfig>, heauth: string): Promise<Standalone> {
  const { config, logs, metrics, health } = context;
  const envoy = config.protect.length > 0 ? findEnvoy() : "";
  const folder = dataFolder(resolve(config.data));
  await mkdir(folder.root, { recursive: true, mode: 0o700 });
  // Unix sockets have short paths: they live in a folder of this run's own, and not in one whose name somebody chose.
  const runFolder = await mkdtemp(join(tmpdir(), "heauth-"));
  const sockets: Part = {
    name: "sockets",
    start: async () => {},
    stop: () => rm(runFolder, { recursive: true, force: true }),
  };
  const places = config.protect.map((app, index) => ({ app, folder: join(runFolder, String(index)) }));
  const doors = places.map(
    ({ app: { namespace, policy }, folder: place }): SocketDoor => ({
      socket: join(place, "hub", "hub.sock"),
      callers: callerOfSocket({ namespace, pod: `${policy}-0`, policy }),
    }),
  );

  const database = databasePart(context, folder);
  let programs: Programs | undefined;
  const apps: RunningApp[] = places.map(({ app, folder: place }, index) =>
    createProtectedApp({
      app,
      folder,
      runFolder: place,
      hubSocket: doors[index]?.socket ?? "",
      heauth,
      envoy,
      log: logs.log,
      logLevel: config.logLevel,
      metrics,
    }),
  );
  /** Else its sidecar would wait for it until it is given up. */
  function requirePolicy({ namespace, policy: name }: ProtectedApp): void {
    const status = programs?.operator.status.get({ kind: "AuthPolicy", namespace, name });
    if (status?.policyDigest !== undefined) return;
    const problems = status?.conditions.filter((condition) => condition.status === "False") ?? [];
    const why = problems.map(({ message }) => message).join("; ") || `${config.resources} holds no such AuthPolicy`;
    throw new CliError("NotReady", `--protect ${namespace}/${name}: ${why}`);
  }

  return {
    parts: [
      sockets,
      database,
      deferred("programs", async () => {
        const databaseUrl = database.url();
        programs = await createPrograms({
          config,
          folder,
          databaseUrl,
          doors,
          clock: systemClock,
          logs,
          metrics,
          health,
        });
        return programs;
      }),
      deferred("apps", async (stopping) => {
        logs.log.info("waits until the operator has reconciled everything once");
        await unlessAborted(Promise.resolve(programs?.operator.synced), stopping);
        for (const { app } of places) requirePolicy(app);
        return inOrder("apps", apps, logs.log);
      }),
    ],
    addresses() {
      const running = places.map(({ app }, index) => `${app.namespace}/${app.policy}=${apps[index]?.url()}`);
      return [`identity=${programs?.identityUrl()}`, ...running].join(" ");
    },
  };
}

/** The database's server, and where to reach it. */
interface DatabasePart extends Part {
  /** Once started. */
  url(): string;
}

function databasePart({ config, logs, metrics }: ProgramContext<StandaloneConfig>, folder: DataFolder): DatabasePart {
  const { database: url } = config;
  if (url !== undefined) {
    const start = () => writeDurably(folder.databaseUrl, `${url}\n`, 0o600);
    return { name: "database", url: () => url, start, stop: async () => {} };
  }
  const embedded = createEmbeddedDatabase({
    dataDir: folder.postgres,
    passwordFile: folder.postgresPassword,
    urlFile: folder.databaseUrl,
    database: DATABASE,
    log: logs.part("postgres"),
    restarts: metrics.counter("heauth_child_restarts_total", { child: "postgres" }),
  });
  return {
    ...embedded,
    url: () => embedded.url(DATABASE),
    async start() {
      await embedded.start();
      await ensureDatabase(embedded.url(), DATABASE);
    },
  };
}
