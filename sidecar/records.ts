import type { Clock, Fail, Health, Logger, Metrics, Part } from "@heauth/program";
import type { Unshipped } from "./drain/index.ts";
import { createEnforcement, type Enforcement, type EnforcementParts } from "./enforcement.ts";
import { SidecarError } from "./errors.ts";
import type { HubConnection, HubWelcome } from "./hub/index.ts";
import type { SyncListener } from "./sessions/index.ts";
import { createJournalMetrics, type Journal, type JournalLimits, openJournal } from "./shipper/index.ts";

/** sysexits.h EX_IOERR: neither the disk nor the hub takes records. */
const EX_IOERR = 74;

export interface RecordsOptions extends Pick<EnforcementParts, "misfit" | "onPolicy" | "onNoPolicy"> {
  /** Of the write-ahead log. */
  readonly folder: string;
  readonly limits: Partial<JournalLimits>;
  readonly hub: HubConnection;
  readonly sessions: SyncListener;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly fail: Fail;
}

/** The journal and the hub it ships to: the journal opens when the hub has said who we are and which tenant's policy we enforce. */
export interface Records extends Part {
  readonly enforcement: Enforcement;
  /** The pod goes, and the disk with it: see `Journal.drain()`. To be called after the start; then `stop()` rejects with RecordsLeft where records are left. */
  drain(): void;
  unshipped(): Unshipped;
}

export function createRecords(options: RecordsOptions): Records {
  const { folder, limits, hub, sessions, clock, log, metrics, health, fail, misfit, onPolicy, onNoPolicy } = options;
  let journal: Journal | undefined;
  let welcome: HubWelcome | undefined;
  let tenant: string | undefined;
  let opening: Promise<void> | undefined;
  let isDraining = false;

  const enforcement = createEnforcement({
    journal: {
      async write(record, durability) {
        if (journal === undefined) throw new SidecarError("JournalNotOpen", "the journal is not open yet");
        return journal.write(record, durability);
      },
    },
    health,
    log,
    misfit,
    onPolicy(policy, tell) {
      tenant = policy.compiled.tenant.id;
      open();
      onPolicy(policy, tell);
    },
    onNoPolicy,
  });

  /** Once, as soon as owner and registrar are known. */
  function open(): void {
    if (opening !== undefined || journal === undefined || welcome === undefined || tenant === undefined) return;
    opening = journal.open({ tenant, ...welcome }).catch((error) => {
      if (error instanceof SidecarError && error.code === "JournalStopped") return;
      fail(error, EX_IOERR);
    });
  }

  function progress() {
    const reached = journal?.progress();
    return reached === undefined || tenant === undefined ? undefined : { tenant, ...reached };
  }

  function notReady(): string | undefined {
    if (welcome === undefined) return "the hub was not reached yet";
    const state = journal?.state;
    if (state === undefined || !state.isOpen)
      return state?.isFailed ? "records can't be written" : "the journal is not open";
    return state.level === "Deny" ? "the write-ahead log is full" : undefined;
  }
  health.addReady("records", notReady);
  const refusedPolicies = metrics.counter("heauth_policies_refused_total", {});
  metrics.gauge("heauth_policies_in_force", () => (enforcement.current() === undefined ? 0 : 1));
  metrics.gauge("heauth_wal_bytes", () => journal?.state.used ?? 0);
  metrics.gauge("heauth_wal_quota_bytes", () => journal?.state.quota ?? 0);
  metrics.gauge("heauth_records_unshipped", () => journal?.state.backlog ?? 0);

  return {
    name: "records",
    enforcement,
    drain() {
      isDraining = true;
      journal?.drain();
    },
    unshipped() {
      const { backlog: records = 0, leftovers: journals = 0 } = journal?.state ?? {};
      return { records, journals };
    },
    async start() {
      journal = await openJournal({
        folder,
        hub: hub.journals,
        clock,
        log,
        metrics: createJournalMetrics(metrics),
        limits,
        onFailed: (error) => fail(error, EX_IOERR),
      });
      hub.listen({
        welcome(told) {
          welcome = told;
          open();
        },
        policy(policy, answer) {
          enforcement.take(policy, (verdict) => {
            if (!verdict.enforced) refusedPolicies.add();
            answer(verdict);
          });
        },
        policyRemoved: (name) => enforcement.remove(name),
        policiesTold: (names) => enforcement.keepOnly(names),
        sessions,
        progress,
      });
      await hub.start();
    },
    async stop(deadline) {
      const { records = 0, leftovers = 0 } = (await journal?.stop(deadline)) ?? {};
      await opening;
      await hub.stop(deadline);
      if (!isDraining || records + leftovers === 0) return;
      const left = `${records} records and ${leftovers} ended journals`;
      throw new SidecarError("RecordsLeft", `${left} did not reach the hub, and go with the pod's disk`);
    },
  };
}
