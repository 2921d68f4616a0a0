import { type Clock, elapsedMs, type Instant } from "@heauth/program";

/**
 * The time in which a tenant's events came without a miss. States read within it are known to be true up to its horizon, because
 * every later change would have come as an event.
 */
export interface Epoch {
  /** Never moves backwards; undefined until a probe was answered. */
  readonly horizon: Instant | undefined;
}

export interface Vouching {
  /** The epoch that a state read from now on belongs to. */
  epochOf(tenant: string): Epoch;
  /** An epoch that vouches for nothing beyond what `epoch` does now. */
  frozen(epoch: Epoch): Epoch;
  begin(tenant: string, missed: boolean): void;
  /** States read until now are not vouched for any more. */
  renew(tenant: string): void;
  advance(at: Instant): void;
  ended(): void;
  /** Every tenant starts anew, begun or not. */
  reset(): void;
  /** Age of the horizon that is furthest behind, ms; undefined while nothing is vouched for. */
  ageMs(): number | undefined;
}

interface OpenEpoch {
  horizon: Instant | undefined;
}

/** Keeps the horizon (t0 − age) of each tenant's events. */
export function createVouching(clock: Clock): Vouching {
  const epochs = new Map<string, OpenEpoch>();
  const begun = new Set<string>();

  function epochOf(tenant: string): OpenEpoch {
    const known = epochs.get(tenant);
    if (known !== undefined) return known;
    const epoch: OpenEpoch = { horizon: undefined };
    epochs.set(tenant, epoch);
    return epoch;
  }

  return {
    epochOf,
    frozen: ({ horizon }) => ({ horizon }),
    begin(tenant, missed) {
      if (missed) epochs.delete(tenant);
      begun.add(tenant);
    },
    renew(tenant) {
      epochs.delete(tenant);
    },
    advance(at) {
      for (const tenant of begun) {
        const epoch = epochOf(tenant);
        if (epoch.horizon === undefined || elapsedMs(clock, at) < elapsedMs(clock, epoch.horizon)) epoch.horizon = at;
      }
    },
    ended: () => begun.clear(),
    reset() {
      epochs.clear();
      begun.clear();
    },
    ageMs() {
      const ages = [...begun]
        .map((tenant) => epochOf(tenant).horizon)
        .map((at) => (at ? elapsedMs(clock, at) : Infinity));
      return ages.length === 0 ? undefined : Math.max(...ages);
    },
  };
}
