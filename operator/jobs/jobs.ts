import { JOURNAL_LOST } from "@heauth/core/ledger";
import { asError, type Logger, type Metrics, type Part } from "@heauth/program";
import type { Database, LedgerWriter, NamedTenant } from "@heauth/store";
import type { AnchorStore } from "../anchor/store.ts";
import { closeBlocks } from "./close-blocks/close-blocks.ts";
import { AlertDeliverer, type SecretSource } from "./deliver-alerts/deliver-alerts.ts";
import { expireSessions } from "./expire-sessions/expire-sessions.ts";
import { FailingTenants } from "./failing-tenants.ts";
import { Job } from "./job.ts";
import { JobLocks } from "./job-lock.ts";
import { LostJournals } from "./lost-journals/lost-journals.ts";
import type { PodLives } from "./lost-journals/pod-lives.ts";
import { dropOld } from "./retention/drop-old.ts";
import type { ProgramKeys } from "./seal/key-changes.ts";
import { Sealer } from "./seal/sealer.ts";
import { type AlertTeller, TellAlerts } from "./tell-alerts/tell-alerts.ts";

export interface JobsOptions {
  readonly database: Database;
  readonly recorder: LedgerWriter;
  readonly anchors: AnchorStore;
  readonly secrets: SecretSource;
  readonly programKeys: ProgramKeys;
  /** µs since the Unix epoch. */
  readonly now?: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How long sidecars may take to commit what they recorded before a session's end; 10 s unless given. */
  readonly blockGraceMs?: number;
  /** Only where there are pods: nobody else's journals are ever found lost. */
  readonly pods?: PodLives;
  /** Where alerts are told of in public; nowhere unless given. */
  readonly alertTeller?: AlertTeller;
  /** How long a pod must have been gone before its open journals are lost; 60 s unless given. */
  readonly lostAfterMs?: number;
  /** Told when a tenant's log is halted, for another reason, or sealed again. */
  readonly onHaltChange: (tenant: NamedTenant) => void;
}

const INTERVAL_MS = {
  seal: 1_000,
  "close-blocks": 1_000,
  "expire-sessions": 1_000,
  "deliver-alerts": 500,
  retention: 60_000,
  "lost-journals": 5_000,
  "tell-alerts": 2_000,
};

/**
 * As long as a hub goes by what the API server said of a pod: after that nothing more comes of one that is gone. What comes all the
 * same is taken in.
 */
const LOST_AFTER_MS = 60_000;

/** Jobs on the database: they need nothing else, so they run whoever leads and whatever is away. */
export function createJobs(options: JobsOptions): Part {
  const { database, recorder, anchors, programKeys: keys, log, metrics, onHaltChange } = options;
  const now = options.now ?? (() => Date.now() * 1000);
  const sealer = new Sealer({ database, anchors, keys, now, log, metrics, onHaltChange });
  const locks = new JobLocks(database, {
    onTaken(name) {
      if (name === "seal") sealer.lookAtAll();
    },
  });
  const deliverer = new AlertDeliverer({ database, secrets: options.secrets, log, metrics });
  const privatePartsErased = metrics.counter("heauth_private_parts_erased_total", {});
  const blocksClosed = metrics.counter("heauth_blocks_closed_total", {});
  const failing = { closing: new FailingTenants(), amending: new FailingTenants() };
  const notExpiring = new FailingTenants();
  const gaps = metrics.counter("heauth_gaps_total", { reason: JOURNAL_LOST });
  const grace = options.blockGraceMs === undefined ? {} : { graceMs: options.blockGraceMs };

  const job = (
    name: keyof typeof INTERVAL_MS,
    round: (stopping: AbortSignal) => Promise<boolean>,
    intervalMs = INTERVAL_MS[name],
  ) => new Job({ name, locks, log, intervalMs, round });
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
        failing,
        onFailure: failed("close-blocks"),
      }),
    ),
    job("expire-sessions", () => expireSessions(database, recorder, notExpiring, failed("expire-sessions"))),
    job("deliver-alerts", () => deliverer.round()),
    job("retention", (stopping) =>
      dropOld({
        database,
        recorder,
        stopping,
        onDropped: (rows) => privatePartsErased.add(rows),
        onFailure: ({ id: tenantId }, error) => failed("retention")({ tenantId }, error),
      }),
    ),
  ];
  const { alertTeller: teller, pods, lostAfterMs = LOST_AFTER_MS } = options;
  if (teller !== undefined) {
    const telling = new TellAlerts({ database, teller });
    jobs.push(job("tell-alerts", () => telling.round()));
  }
  if (pods !== undefined) {
    const lost = new LostJournals({
      database,
      recorder,
      pods,
      graceMs: lostAfterMs,
      onLost: ({ tenantId: tenant, journalId: journal, pod }) => {
        gaps.add();
        log.warn({ tenant, journal, pod }, "a pod is gone and its journal is not closed: its last records may be lost");
      },
      onFailure: failed("lost-journals"),
    });
    const everyMs = Math.min(INTERVAL_MS["lost-journals"], lostAfterMs / 4);
    jobs.push(job("lost-journals", (stopping) => lost.round(stopping), everyMs));
  }
  let unwatch: (() => void) | undefined;

  return {
    name: "jobs",
    async start() {
      unwatch = anchors.onDiffering?.((tenant) => sealer.lookAgain(tenant));
      for (const each of jobs) await each.start();
    },
    async stop() {
      unwatch?.();
      await Promise.all([deliverer.stop(), ...jobs.map((each) => each.stop())]);
      await locks.release();
    },
  };
}
