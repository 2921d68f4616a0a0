import { type Clock, type Instant, instant } from "@heauth/program";
import {
  type CallOptions,
  type ClusterClient,
  isClusterError,
  type KubeObject,
  LEASES,
} from "@heauth/program/kubernetes";

/** coordination.k8s.io/v1. Times are for people: nobody compares the clocks of two machines. */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaseOptions {
  readonly client: ClusterClient;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly leaseMs: number;
  readonly clock: Clock;
}

/** One candidate's view of the Lease that all of them share. */
export interface LeaseHold {
  /**
   * Takes the Lease if it is free, or renews it.
   * @returns the moment before it was written, from which it counts; undefined: somebody else has it. Rejects with ClusterError
   */
  attempt(call: CallOptions): Promise<Instant | undefined>;
  /** Lets the next one have it at once. */
  release(call: CallOptions): Promise<void>;
  /** Milliseconds until it is free, as far as is known. */
  freeInMs(): number;
}

/** How client-go's leases are taken: by resource version, and from another holder when its record stood still for its duration. */
export function createLeaseHold({ client, namespace, name, identity, leaseMs, clock }: LeaseOptions): LeaseHold {
  let known: Lease | undefined;
  /** When what is known was first seen, on our own clock. */
  let seenAt = instant(clock);

  function observe(lease: Lease): void {
    const isSame =
      known?.metadata.uid === lease.metadata.uid && known?.metadata.resourceVersion === lease.metadata.resourceVersion;
    if (!isSame) seenAt = instant(clock);
    known = lease;
  }

  function freeInMs(): number {
    const { holderIdentity, leaseDurationSeconds = 0 } = known?.spec ?? {};
    if (!holderIdentity) return 0;
    // Only the monotonic clock: one that was set forward must not take anything from anybody.
    return Math.max(0, seenAt.monotonicMs + leaseDurationSeconds * 1000 - clock.monotonicMs());
  }

  function record(before: Lease["spec"], holderIdentity: string, durationMs: number): NonNullable<Lease["spec"]> {
    const { leaseTransitions = 0, acquireTime } = before ?? {};
    const now = microTime(clock.wallMs());
    const stays = before?.holderIdentity === holderIdentity && acquireTime !== undefined;
    const transitions =
      before === undefined || stays || holderIdentity === "" ? leaseTransitions : leaseTransitions + 1;
    return {
      holderIdentity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: stays ? acquireTime : now,
      renewTime: now,
      leaseTransitions: transitions,
    };
  }

  async function write({ metadata, spec }: Lease, call: CallOptions): Promise<Instant> {
    const before = instant(clock);
    observe(await client.replace<Lease>(LEASES, { metadata, spec: record(spec, identity, leaseMs) }, {}, call));
    return before;
  }

  async function create(call: CallOptions): Promise<Instant> {
    const before = instant(clock);
    const lease = { metadata: { namespace, name }, spec: record(undefined, identity, leaseMs) };
    observe(await client.create<Lease>(LEASES, lease, call));
    return before;
  }

  async function read(call: CallOptions): Promise<Lease | undefined> {
    return await client.get<Lease>(LEASES, { namespace, name }, call).catch(unless("NotFound"));
  }

  return {
    freeInMs,
    async attempt(call) {
      if (known?.spec?.holderIdentity === identity) {
        const renewed = await write(known, call).catch(unless("Conflict", "NotFound"));
        if (renewed !== undefined) return renewed;
      }
      const lease = await read(call);
      if (lease === undefined) return await create(call).catch(unless("AlreadyExists"));
      observe(lease);
      if (lease.spec?.holderIdentity !== identity && freeInMs() > 0) return undefined;
      return await write(lease, call).catch(unless("Conflict"));
    },
    async release(call) {
      if (known?.spec?.holderIdentity !== identity) return;
      const { metadata, spec } = known;
      known = undefined;
      await client.replace<Lease>(LEASES, { metadata, spec: record(spec, "", 1000) }, {}, call);
    },
  };
}

/** Undefined for these, which somebody else was the reason of. */
function unless(...codes: Parameters<typeof isClusterError>[1][]) {
  return (error: unknown): undefined => {
    if (!isClusterError(error, ...codes)) throw error;
  };
}

/** `metav1.MicroTime` has six digits, no fewer. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
