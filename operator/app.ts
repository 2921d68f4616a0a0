import { asError, type Counter, type Logger, type Metrics, type Part } from "@heauth/program";
import { type Database, type LedgerWriter, resourceNames } from "@heauth/store";
import type { AnchorStore } from "./anchor/store.ts";
import { createControllers } from "./controllers/controllers.ts";
import { closeBlocks } from "./jobs/close-blocks/close-blocks.ts";
import { AlertDeliverer, type SecretSource } from "./jobs/deliver-alerts/deliver-alerts.ts";
import { expireSessions } from "./jobs/expire-sessions/expire-sessions.ts";
import { Job } from "./jobs/job.ts";
import { JobLocks } from "./jobs/job-lock.ts";
import type { ProgramKeys } from "./jobs/seal/key-changes.ts";
import { Sealer } from "./jobs/seal/sealer.ts";
import { FirstPass } from "./runtime/first-pass.ts";
import { WorkQueue } from "./runtime/queue.ts";
import { keyText, parseKey, type ResourceKey, type ResourceSource, resourceName } from "./source/source.ts";
import type { StatusSink } from "./status/condition.ts";
import { MemoryStatus } from "./status/memory-status.ts";

export interface OperatorOptions {
  /** As `heauth_operator`. */
  readonly database: Database;
  /** Started and stopped here. */
  readonly resourceSource: ResourceSource;
  readonly secretSource?: SecretSource;
  readonly anchors: AnchorStore;
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
  /** How long sidecars may take to commit what they recorded before a session's end; 10 s unless given. */
  readonly blockGraceMs?: number;
}

export interface Operator extends Part {
  /** What is so of each resource; empty where a sink was given. */
  readonly status: MemoryStatus;
  /** Resolves when every resource that there was at the start has been reconciled once. */
  readonly synced: Promise<void>;
}

const INTERVAL_MS = { seal: 1_000, "close-blocks": 1_000, "expire-sessions": 1_000, "deliver-alerts": 500 };

/** Composes the operator: reconcilers over a resource source, and the jobs on the database. */
export function createOperator(options: OperatorOptions): Operator {
  const { database, resourceSource: source, ledgerWriter: recorder, log, metrics } = options;
  const now = options.now ?? (() => Date.now() * 1000);
  const memory = new MemoryStatus(log);
  const status = options.statusSink ?? memory;
  const locks = new JobLocks(database);
  const sealer = new Sealer({
    database,
    anchors: options.anchors,
    keys: options.programKeys,
    now,
    log,
    metrics,
    onHaltChange: ({ name }) => queue.add(keyText({ kind: "Tenant", namespace: "", name })),
  });
  const deliverer = new AlertDeliverer({ database, secrets: options.secretSource ?? source, log, metrics });
  const blocksClosed = metrics.counter("heauth_blocks_closed_total", {});
  const grace = options.blockGraceMs === undefined ? {} : { graceMs: options.blockGraceMs };

  const job = (name: keyof typeof INTERVAL_MS, round: (stopping: AbortSignal) => Promise<boolean>) =>
    new Job({ name, locks, log, intervalMs: INTERVAL_MS[name], round });
  const failed =
    (job: string) =>
    (
      { tenantId: tenant, sessionId: session }: { readonly tenantId: string; readonly sessionId?: string },
      error: unknown,
    ) =>
      log.warn({ job, tenant, session, err: asError(error) }, "a tenant's part of the job failed; it is tried again");
  const jobs = [
    job("seal", (stopping) => sealer.round(stopping)),
    job("close-blocks", () =>
      closeBlocks({
        database,
        recorder,
        ...grace,
        onClosed: () => blocksClosed.add(),
        onFailure: failed("close-blocks"),
      }),
    ),
    job("expire-sessions", () => expireSessions(database, recorder, failed("expire-sessions"))),
    job("deliver-alerts", () => deliverer.round()),
  ];

  const first = new FirstPass();
  const counters = new Map<string, Counter>();
  const count = (kind: ResourceKey["kind"], outcome: "ok" | "invalid" | "error") => {
    const counter = counters.get(`${kind} ${outcome}`) ?? metrics.counter("heauth_reconciles_total", { kind, outcome });
    counters.set(`${kind} ${outcome}`, counter);
    counter.add();
  };
  const controllers = createControllers({
    database,
    recorder,
    source,
    status,
    anchors: options.anchors,
    issuer: options.issuer,
    log,
    halted: (id) => sealer.halted().get(id),
    failingReceivers: () => [],
  });
  const queue = new WorkQueue({
    async reconcile(text) {
      const key = parseKey(text);
      const done = first.running(text);
      const { outcome, requeue, affects = [] } = await controllers.reconcile(key);
      count(key.kind, outcome);
      for (const other of affects) queue.add(keyText(other));
      done();
      return requeue;
    },
    onError(text, error, retryInMs) {
      count(parseKey(text).kind, "error");
      log.warn(
        { resource: resourceName(parseKey(text)), err: asError(error), retryInMs },
        "a resource could not be reconciled; it is tried again",
      );
    },
  });

  let unwatch: (() => void) | undefined;
  return {
    name: "operator",
    status: memory,
    synced: first.over,
    async start() {
      await source.start();
      // What there is already goes by the first pass, in its order.
      unwatch = source.onChange((key) => queue.add(keyText(key)));
      // Also those whose resource went away while no operator ran.
      const stored = await database.read(resourceNames);
      const tenants = stored.tenants.map((name): ResourceKey => ({ kind: "Tenant", namespace: "", name }));
      const policies = stored.policies.map((policy): ResourceKey => ({ kind: "AuthPolicy", ...policy }));
      queue.start();
      first.begin(
        [
          [...source.list("Tenant"), ...tenants],
          [...source.list("AuthPolicy"), ...policies],
        ],
        (key) => queue.add(key),
      );
      for (const each of jobs) await each.start();
    },
    async stop() {
      unwatch?.();
      await source.stop();
      await queue.stop();
      await Promise.all([deliverer.stop(), ...jobs.map((each) => each.stop())]);
      await locks.release();
    },
  };
}
