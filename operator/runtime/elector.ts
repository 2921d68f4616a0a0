import {
  asError,
  type Clock,
  elapsedMs,
  type Instant,
  type Logger,
  type Metrics,
  type Part,
  pause,
  systemClock,
} from "@heauth/program";
import { type ClusterClient, isClusterError } from "@heauth/program/kubernetes";
import { createLeaseHold } from "./lease.ts";
import { createTrouble } from "./trouble.ts";

const LEASE_MS = 15_000;
const RELEASE_WITHIN_MS = 3_000;

export interface ElectorOptions {
  readonly client: ClusterClient;
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Of this process, and of no other ever. */
  readonly identity: string;
  /** How long others leave a Lease alone that is not renewed; 15 s unless given. */
  readonly leaseMs?: number;
  /** How long after its last renewal a leader takes itself for one; two thirds of the lease unless given. */
  readonly renewMs?: number;
  /** From one try to the next; a fifth of `renewMs` unless given. */
  readonly retryMs?: number;
  /** What a leader does, until `lost` aborts. Nobody else leads before it has ended, unless it takes longer than the lease. */
  readonly lead: (lost: AbortSignal) => Promise<void>;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
}

/** Sees to it that one of several processes leads. */
export interface Elector extends Part {
  /** Whether the Lease is ours at this very moment: asked after a process slept, the answer is no. */
  leading(): boolean;
}

/** Campaigns for a Lease as long as it runs: leads, and after a loss campaigns again. `start` does not wait for anything. */
export function createElector(options: ElectorOptions): Elector {
  const { client, namespace, name, identity, leaseMs = LEASE_MS, clock = systemClock, lead } = options;
  const { renewMs = (leaseMs * 2) / 3 } = options;
  const { retryMs = renewMs / 5 } = options;
  const log = options.log.child({ lease: `${namespace}/${name}`, identity });
  const trouble = createTrouble(log, "cannot reach the lease");
  const lease = createLeaseHold({ client, namespace, name, identity, leaseMs, clock });
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  /** When the Lease was last made ours; undefined while it is not. */
  let held: Instant | undefined;

  /** A process or a machine that slept must not think that it leads: the clock that went further counts. */
  const leftMs = () => (held === undefined ? 0 : Math.max(0, renewMs - elapsedMs(clock, held)));
  options.metrics.gauge("heauth_leader", () => (leftMs() > 0 ? 1 : 0));

  /** Whether the Lease is ours afterwards. Not being able to ask costs it only when the time is up. */
  async function renewed(): Promise<boolean> {
    if (leftMs() === 0) return false;
    try {
      // Half of the time for each call: a connection that hangs leaves another try. All of them end when the time is up.
      const signal = AbortSignal.timeout(Math.ceil(leftMs()));
      held = await lease.attempt({ deadlineMs: renewMs / 2, signal });
      trouble.over();
    } catch (error) {
      trouble.report(error);
    }
    return leftMs() > 0;
  }

  async function govern(): Promise<void> {
    log.info("leads from now on");
    const lost = new AbortController();
    const ended = new AbortController();
    const leads = async () => await lead(AbortSignal.any([lost.signal, stopping.signal]));
    const work = leads()
      .catch((error) => log.error({ err: asError(error) }, "leading failed"))
      .finally(() => ended.abort());
    while (!ended.signal.aborted) {
      await pause(Math.min(retryMs, leftMs()), ended.signal).catch(() => {});
      if (ended.signal.aborted || (await renewed())) continue;
      held = undefined;
      log.warn("leads no more: the lease could not be renewed in time, or is another's");
      lost.abort();
      break;
    }
    await work;
  }

  /** Not after a loss: then it is not ours to give. */
  async function release(): Promise<void> {
    if (leftMs() === 0) return;
    held = undefined;
    await lease
      .release({ deadlineMs: RELEASE_WITHIN_MS })
      .then(() => log.info("gave the lease back"))
      .catch((error) => log.warn({ err: asError(error) }, "could not give the lease back; it expires"));
  }

  async function campaign(): Promise<void> {
    while (!stopping.signal.aborted) {
      let waitMs = retryMs * (1 + Math.random() / 5);
      try {
        held = await lease.attempt({ deadlineMs: renewMs / 2, signal: stopping.signal });
        trouble.over();
        if (held === undefined) waitMs = Math.min(waitMs, Math.max(lease.freeInMs(), retryMs / 10));
      } catch (error) {
        if (stopping.signal.aborted) break;
        trouble.report(error);
        if (isClusterError(error)) waitMs = Math.max(waitMs, error.retryAfterMs ?? 0);
      }
      if (leftMs() > 0) {
        if (!stopping.signal.aborted) await govern();
        await release();
      }
      await pause(waitMs, stopping.signal).catch(() => {});
    }
  }

  return {
    name: `elector ${name}`,
    leading: () => leftMs() > 0,
    async start() {
      running = campaign();
    },
    /** Ends leading, waits for that, and gives the Lease back. */
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
