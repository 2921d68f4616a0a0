import type { AddressInfo } from "node:net";
import { createHub, type Door } from "@heauth/hub";
import { createIdentity, identitySettings } from "@heauth/identity";
import { AnchorFiles, createOperator, describeSourceProblem, FolderSource, type Operator } from "@heauth/operator";
import { type Clock, formatHostPort, type Health, inOrder, type Logs, type Metrics, type Part } from "@heauth/program";
import { type Database, LedgerWriter, migrate, openDatabase } from "@heauth/store";
import { measurePools } from "../cluster/pools.ts";
import { openKeys } from "../keys/open-keys.ts";
import { publicKeysOf } from "../keys/read-key.ts";
import type { StandaloneConfig } from "./config.ts";
import type { DataFolder } from "./folder.ts";

type PooledProgram = "operator" | "hub" | "identity";

/** A database that hangs must not hold the hub longer than the shortest staleness that anybody would ask for. */
const HUB_STATEMENT_TIMEOUT_MS = 3_000;

export interface ProgramsOptions {
  readonly config: StandaloneConfig;
  readonly folder: DataFolder;
  readonly databaseUrl: string;
  /** A hub's socket for each protected app. */
  readonly doors: readonly Door[];
  readonly clock: Clock;
  readonly logs: Logs;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** Operator, identity and hub, in this process. */
export interface Programs extends Part {
  /** Base URL of identity's API. */
  identityUrl(): string;
  readonly operator: Operator;
}

/** Brings the schema up to date, opens the keys, and composes the programs; each works in the database under a role of its own. */
export async function createPrograms(options: ProgramsOptions): Promise<Programs> {
  const { config, folder, databaseUrl, doors, clock, logs, metrics, health } = options;
  const keys = await openKeys(folder);
  const applied = await migrate(databaseUrl);
  if (applied.length > 0) logs.log.info({ migrations: applied }, "schema brought up to date");

  const opened = new Map<PooledProgram, Database>();
  const open = async (program: PooledProgram, more: { statementTimeout?: number } = {}) => {
    const own = { role: `heauth_${program}`, applicationName: `heauth ${program}` } as const;
    const database = await openDatabase({ url: databaseUrl, ...own, ...more });
    opened.set(program, database);
    return database;
  };
  const databases: Part = {
    name: "databases",
    start: async () => {},
    stop: async () => void (await Promise.all([...opened.values()].map((database) => database.stop()))),
  };
  measurePools(metrics, opened);
  const now = () => clock.wallMicros();
  const { identity: identityKey, hub: hubKey, operator: operatorKey } = keys.programs;

  const operatorDatabase = await open("operator");
  const operatorWriter = new LedgerWriter({ program: "operator", programKey: operatorKey, now });
  const operator = createOperator({
    database: operatorDatabase,
    resourceSource: createFolderSource(config.resources, logs),
    anchors: new AnchorFiles(folder.anchors),
    ledgerWriter: operatorWriter,
    programKeys: {
      operator: operatorKey,
      pinned: keys.pinned,
      inForce: new Set(Object.values(keys.programs).map(({ id }) => id)),
    },
    issuer: config.issuer,
    now,
    log: logs.part("operator"),
    metrics,
  });
  const hub = createHub({
    database: await open("hub", { statementTimeout: HUB_STATEMENT_TIMEOUT_MS }),
    programKey: hubKey,
    doors,
    clock,
    log: logs.part("hub"),
    metrics,
  });
  const identity = await createIdentity({
    config: identitySettings.parse({ issuer: config.issuer, tenantRegistration: config.tenantRegistration }),
    database: await open("identity"),
    ledgerWriter: new LedgerWriter({ program: "identity", programKey: identityKey, now }),
    programKey: identityKey,
    formerKeys: publicKeysOf("identity", keys.pinned),
    serverSecrets: keys.serverSecrets,
    clock,
    log: logs.part("identity"),
    metrics,
    health,
  });
  const listening: Part = {
    name: "identity",
    async start() {
      await identity.start();
      await identity.app.listen(config.identity);
    },
    stop: (deadline) => identity.stop(deadline),
  };
  const closing: Part = {
    name: "operator's journals",
    start: async () => {},
    stop: () => operatorWriter.close(operatorDatabase),
  };
  return {
    ...inOrder("programs", [databases, closing, operator, hub, listening], logs.log),
    operator,
    identityUrl() {
      const { address, port } = identity.app.server.address() as AddressInfo;
      return `http://${formatHostPort({ host: address, port })}`;
    },
  };
}

function createFolderSource(folder: string, logs: Logs): FolderSource {
  const log = logs.part("resources");
  return new FolderSource({
    folder,
    onProblems(problems) {
      for (const problem of problems) log.error({ code: problem.code }, describeSourceProblem(problem));
      if (problems.length === 0) log.info("all files are good again");
    },
    onError: (error) => log.error({ err: error }, "the resources' folder can't be watched; what is in force stays"),
  });
}
