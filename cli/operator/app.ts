import { hostname } from "node:os";
import type { ProgramKey } from "@heauth/core/keys";
import type { PinnedKeys } from "@heauth/core/ledger";
import { type ClusterOperatorOptions, createClusterOperator } from "@heauth/operator";
import { inOrder, type Part, type ProgramContext, type RotatingFiles, systemClock, uuidv7 } from "@heauth/program";
import { type ClusterClient, openCluster } from "@heauth/program/kubernetes";
import { type Database, LedgerWriter } from "@heauth/store";
import { deferred } from "../cluster/deferred.ts";
import { openProgramDatabase } from "../cluster/open-database.ts";
import { measurePools } from "../cluster/pools.ts";
import { CliError } from "../errors.ts";
import { pinnedKeysFile } from "../keys/pinned-keys-file.ts";
import { readPinnedProgramKey } from "../keys/read-key.ts";
import type { OperatorConfig } from "./config.ts";

/** The operator as a program: waits for its database and its schema, then works until it is stopped. */
export async function createOperatorProgram(context: ProgramContext<OperatorConfig>): Promise<Part[]> {
  const { config, logs, health } = context;
  const { own: operator, pinned } = await readPinnedProgramKey(config, "operator");
  const keys = { operator, pinned };
  const cluster = await openCluster({ kubeconfig: config.kubeconfig });
  const namespace = config.namespace ?? cluster.namespace;
  if (namespace === undefined) {
    throw new CliError(
      "InvalidOption",
      "namespace is missing: neither a pod nor the kubeconfig says which is heauth's",
    );
  }
  let waitingFor: string | undefined = "the database has not been asked yet";
  health.addReady("database", () => waitingFor);

  const program = deferred("operator", async (stopping) => {
    const database = await openProgramDatabase(
      { url: config.database, role: "heauth_operator", applicationName: "heauth operator" },
      {
        log: logs.log,
        stopping,
        onState: (why) => {
          waitingFor = why;
        },
      },
    );
    return compose(context, { database, client: cluster.client, namespace, keys });
  });
  return [program];
}

interface Parts {
  readonly database: Database;
  readonly client: ClusterClient;
  readonly namespace: string;
  readonly keys: { readonly operator: ProgramKey; readonly pinned: PinnedKeys };
}

async function compose(
  context: ProgramContext<OperatorConfig>,
  { database, client, namespace, keys }: Parts,
): Promise<Part> {
  const { config, logs, metrics, health } = context;
  measurePools(metrics, new Map([["operator", database] as const]));
  const now = () => systemClock.wallMicros();
  const ledgerKeys = pinnedKeysFile(config.ledgerKeys, logs.log);
  const trust = await trustOf(config, ledgerKeys);
  const ledgerWriter = new LedgerWriter({ program: "operator", programKey: keys.operator, now });
  const operator = createClusterOperator({
    database,
    client,
    namespace,
    identity: `${hostname()}_${uuidv7()}`,
    leaseMs: config.lease,
    resyncMs: config.resync,
    lostAfterMs: config.lostAfter,
    anchorIntervalMs: config.anchorInterval,
    ...(trust !== undefined && { trust }),
    ledgerWriter,
    programKeys: keys,
    issuer: config.issuer,
    now,
    log: logs.log,
    metrics,
  });
  health.addReady("resources", () => operator.problem());
  const connections: Part = { name: "database", start: async () => {}, stop: () => database.stop() };
  const journals: Part = {
    name: "journals",
    start: async () => {},
    stop: (deadline) => ledgerWriter.close(database, deadline),
  };
  return inOrder("operator", [connections, journals, ledgerKeys, operator], logs.log);
}

/** What makes certificates is loaded only where some are made. */
async function trustOf(
  { hubTlsSecret: secret, hubService: service }: OperatorConfig,
  ledgerKeys: RotatingFiles<string>,
): Promise<ClusterOperatorOptions["trust"]> {
  if (secret === undefined) return undefined;
  const { createTrust } = await import("@heauth/operator/trust");
  return (parts) => createTrust({ ...parts, secret, service, ledgerKeys: () => ledgerKeys.current() });
}
