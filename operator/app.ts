import { createBackoff, type Logger, type Metrics, type Part, retry } from "@heauth/program";
import { type Database, fenced, type LedgerWriter, resourceNames, takeTerm } from "@heauth/store";
import type { AnchorKeeper, AnchorStore } from "./anchor/store.ts";
import { AckWatch } from "./controllers/auth-policy/ack-watch.ts";
import { createControllers } from "./controllers/controllers.ts";
import { TroubleWatch } from "./controllers/tenant/trouble-watch.ts";
import type { SecretSource } from "./jobs/deliver-alerts/deliver-alerts.ts";
import { createJobs } from "./jobs/jobs.ts";
import type { PodLives } from "./jobs/lost-journals/pod-lives.ts";
import type { ProgramKeys } from "./jobs/seal/key-changes.ts";
import type { AlertTeller } from "./jobs/tell-alerts/tell-alerts.ts";
import { alone } from "./runtime/alone.ts";
import type { FailureSink } from "./runtime/failures.ts";
import { Reconciling } from "./runtime/reconciling.ts";
import type { ResourceKey, ResourceSource } from "./source/source.ts";
import type { StatusSink } from "./status/condition.ts";
import { MemoryStatus } from "./status/memory-status.ts";

export interface OperatorOptions {
  /** As `heauth_operator`. */
  readonly database: Database;
  /** Started and stopped here. */
  readonly resourceSource: ResourceSource;
  readonly secretSource?: SecretSource;
  readonly anchors: AnchorStore;
  /** Where resources are deleted for good. */
  readonly anchorKeeper?: AnchorKeeper;
  /** Of program `operator`; closed by who made it, after `stop()`. */
  readonly ledgerWriter: LedgerWriter;
  readonly programKeys: ProgramKeys;
  /** `iss` of identity's tokens. */
  readonly issuer: string;
  /** µs since the Unix epoch. */
  readonly now?: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The log and memory unless given. */
  readonly statusSink?: StatusSink;
  /** Where alerts are told of in public; nowhere unless given. */
  readonly alertTeller?: AlertTeller;
  /** The log alone unless given. */
  readonly failureSink?: FailureSink;
  /** How long sidecars may take to commit what they recorded before a session's end; 10 s unless given. */
  readonly blockGraceMs?: number;
  /** Only where there are pods: what their sidecars' journals lost when they went is told by this. */
  readonly pods?: PodLives;
  /** How long a pod must have been gone before its open journals are lost; 60 s unless given. */
  readonly lostAfterMs?: number;
  /** How often every resource is looked at again, ms; every 10 min unless given. */
  readonly resyncMs?: number;
  /** Where several operators may run: who calls `lead` when this one is to reconcile, until `lost`. It always is unless given. */
  readonly leadership?: (lead: (lost: AbortSignal) => Promise<void>) => Part;
}

export interface Operator extends Part {
  /** What is so of each resource; empty where a sink was given. */
  readonly status: MemoryStatus;
  /** Resolves when every resource that there was at the start has been reconciled once. */
  readonly synced: Promise<void>;
}

/** Whose writes are fenced: of several operators the one with the newest term reconciles. */
const TERM = "controllers";
const BACKOFF = { firstMs: 200, maxMs: 5_000 };

/** Composes the operator: reconcilers over a resource source, led by one at a time, and the jobs on the database, which always run. */
export function createOperator(options: OperatorOptions): Operator {
  const { database, resourceSource: source, ledgerWriter: recorder, log, metrics } = options;
  const { anchors, anchorKeeper: keeper, issuer } = options;
  const memory = new MemoryStatus(log);
  const status = options.statusSink ?? memory;
  const reconciling = new Reconciling({
    source,
    log,
    metrics,
    ...(options.resyncMs !== undefined && { againMs: options.resyncMs }),
    ...(options.failureSink !== undefined && { failureSink: options.failureSink }),
  });
  const troubles = new TroubleWatch({
    database,
    onChange: (name) => reconciling.add({ kind: "Tenant", namespace: "", name }),
    log,
  });
  const jobs = createJobs({
    ...options,
    recorder,
    secrets: options.secretSource ?? source,
    onHaltChange: () => troubles.look(),
  });
  const leadership = options.leadership ?? ((lead) => alone(lead, log));
  const leader = leadership(async (lost) => {
    const term = await retry(() => takeTerm(database, TERM), {
      backoff: createBackoff(BACKOFF),
      signal: lost,
      onRetry: (err, retryInMs) => log.warn({ err, retryInMs }, "no term of office could be taken; it is tried again"),
    });
    log.info({ term }, "reconciles from now on");
    const own = fenced(database, TERM, term);
    const controllers = createControllers({
      database: own,
      recorder,
      source,
      status,
      anchors,
      ...(keeper !== undefined && { keeper }),
      issuer,
      log,
      troubleOf: (id) => troubles.of(id),
    });
    const acks = new AckWatch({ database, log, onAcked: (name) => reconciling.add({ kind: "AuthPolicy", ...name }) });
    await acks.start();
    await troubles.start();
    try {
      await reconciling.serve({ controllers, stored: () => storedResources(own) }, lost);
    } finally {
      await Promise.all([acks.stop(), troubles.stop()]);
    }
  });

  const operator: Operator = {
    name: "operator",
    status: memory,
    synced: reconciling.synced,
    /** Jobs first: they work while the API server is away. */
    async start() {
      await jobs.start();
      try {
        await source.start();
      } catch (error) {
        await operator.stop(AbortSignal.abort());
        throw error;
      }
      await leader.start();
    },
    async stop(deadline) {
      await leader.stop(deadline);
      await source.stop();
      await jobs.stop(deadline);
    },
  };
  return operator;
}

/** Also of resources that went away while no operator ran. */
async function storedResources(database: Database) {
  const { tenants, policies } = await database.read(resourceNames);
  return {
    tenants: tenants.map((name): ResourceKey => ({ kind: "Tenant", namespace: "", name })),
    policies: policies.map((policy): ResourceKey => ({ kind: "AuthPolicy", ...policy })),
  };
}
