import type { SessionEvidence } from "@heauth/core/policy";
import { type Clock, elapsedMs, instant, type Metrics } from "@heauth/program";
import { createEntries, type EntriesOptions } from "./entries.ts";
import { ageMs, type Entry, idleMs } from "./entry.ts";
import { createFlights } from "./flights.ts";
import type { Bounds, KnownSession, Resolution, SessionSource, SyncListener } from "./session.ts";
import { createVerifiedTokens, type VerifiedTokens } from "./verified-tokens.ts";
import { createVouching } from "./vouching.ts";

export interface SessionCacheOptions {
  source: SessionSource;
  /** Identity's pinned program keys, by id, as they are now. */
  identityKeys: EntriesOptions["identityKeys"];
  clock: Clock;
  metrics: Metrics;
  /** How long a request waits for a state to be read again before the cached one serves, ms. */
  refreshWaitMs?: number;
  /** How long a request waits for a session that is not in the cache, ms. */
  lookUpWaitMs?: number;
  maxSessions?: number;
  maxTokens?: number;
  maxAbsent?: number;
  /** How long a session id that does not exist is remembered, ms. */
  absentForMs?: number;
}

/** The sidecar's sessions: states in bounded staleness, and the tokens verified by them. */
export interface SessionCache {
  /** What is known of the session, read again through the hub where the bounds ask for it. Never throws. */
  resolve(tenant: string, session: string, bounds: Bounds): Promise<Resolution>;
  /** Whether the session was open no longer ago than that, as far as is known by now. */
  isOpen(session: KnownSession, maxStalenessMs: number): boolean;
  /** A request of the session was let through: it is not idle. */
  used(session: KnownSession): void;
  readonly tokens: VerifiedTokens;
  /** A key of identity's is trusted no more: what rested on it must be verified again. */
  distrust(): void;
  /** To be told of what the stream from the hub brings. */
  readonly listener: SyncListener;
}

export function createSessionCache(options: SessionCacheOptions): SessionCache {
  const { source, identityKeys, clock, metrics, refreshWaitMs = 150, lookUpWaitMs = 1000 } = options;
  const vouching = createVouching(clock);
  const tokens = createVerifiedTokens(options.maxTokens ?? 50_000);
  const refusedStatements = metrics.counter("heauth_session_statements_refused_total", {});
  const entries = createEntries({
    identityKeys,
    clock,
    vouching,
    maxSessions: options.maxSessions ?? 100_000,
    maxAbsent: options.maxAbsent ?? 10_000,
    absentForMs: options.absentForMs ?? 1000,
    onGone: (session) => tokens.forget(session),
    onUntrusted: () => refusedStatements.add(),
  });
  const flights = createFlights(source, vouching, entries.land);
  const lookups = {
    cache: metrics.counter("heauth_session_cache_lookups_total", { from: "cache" }),
    hub: metrics.counter("heauth_session_cache_lookups_total", { from: "hub" }),
    unknown: metrics.counter("heauth_session_cache_lookups_total", { from: "unknown" }),
  };
  metrics.gauge("heauth_session_cache_entries", () => entries.size);
  metrics.gauge("heauth_horizon_age_seconds", () => (vouching.ageMs() ?? Number.NaN) / 1000);

  /** Whether the cached state may serve without being read again. */
  function isGood(entry: Entry, { revalidateAfterMs, idleTimeoutMs }: Bounds): boolean {
    const { status, closeReason, outdated } = entry.state;
    if (status === "Closed") return closeReason !== undefined;
    if (outdated || ageMs(clock, entry.state) > revalidateAfterMs) return false;
    // Idle as far as is known here: elsewhere it may have been used, of which no event tells.
    return idleMs(clock, entry) < idleTimeoutMs || elapsedMs(clock, entry.state.seen) <= revalidateAfterMs;
  }

  /** `stale`: not read again though it should have been; its age tells so, also when an event has made it out of date just now. */
  function known(entry: Entry, stale: boolean, { revalidateAfterMs }: Bounds): Resolution {
    const { session, expiresAtMs, state } = entry;
    const { status, subject, roles, closeReason } = state;
    const evidence: SessionEvidence = {
      id: session.id,
      tenant: session.tenant,
      subject,
      roles,
      status,
      closeReason,
      idleMs: idleMs(clock, entry),
      expiresAtMs,
      ageMs: Math.max(ageMs(clock, state), stale ? revalidateAfterMs + 1 : 0),
    };
    return { kind: "Known", session, evidence, stale };
  }

  /** After an attempt to read the state again. */
  function afterwards(tenant: string, session: string, bounds: Bounds, answered: boolean): Resolution {
    const entry = entries.get(tenant, session);
    if (entry === undefined) return { kind: (answered && entries.absence(session)) || "Unavailable" };
    if (entry.state.status === "Closed") return known(entry, false, bounds);
    if (ageMs(clock, entry.state) > bounds.maxStalenessMs) return { kind: "Unavailable" };
    if (!answered && idleMs(clock, entry) >= bounds.idleTimeoutMs) return { kind: "Unavailable" };
    return known(entry, !answered, bounds);
  }

  function forgetAll(): void {
    entries.clear();
    tokens.clear();
  }

  return {
    tokens,
    distrust: forgetAll,
    async resolve(tenant, session, bounds) {
      const entry = entries.get(tenant, session);
      if (entry !== undefined && isGood(entry, bounds)) {
        lookups.cache.add();
        return known(entry, false, bounds);
      }
      const absence = entry === undefined ? entries.absence(session) : undefined;
      if (absence !== undefined) {
        lookups.unknown.add();
        return { kind: absence };
      }
      lookups.hub.add();
      const waitMs = entry === undefined ? lookUpWaitMs : refreshWaitMs;
      const answered = await succeedsWithin(waitMs, flights.read(tenant, session));
      return afterwards(tenant, session, bounds, answered);
    },
    isOpen({ tenant, id }, maxStalenessMs) {
      const state = entries.get(tenant, id)?.state;
      return state?.status === "Open" && ageMs(clock, state) <= maxStalenessMs;
    },
    used({ tenant, id }) {
      const entry = entries.get(tenant, id);
      if (entry !== undefined) entry.lastUsed = instant(clock);
    },
    listener: {
      storeChanged() {
        vouching.reset();
        flights.abandon();
        forgetAll();
      },
      begin: (tenant, missed) => vouching.begin(tenant, missed),
      event(event) {
        if (event.kind === "TenantChanged") {
          vouching.renew(event.tenant);
          return entries.outdateTenant(event.tenant);
        }
        flights.fence(event.session, event.generation);
        if (event.kind === "SessionClosed") entries.close(event.session, event.generation);
        else entries.outdate(event.session, event.generation);
      },
      horizon: (at) => vouching.advance(at),
      ended: () => vouching.ended(),
    },
  };
}

/** Whether the work succeeds in time; one that takes longer goes on for those who come later. */
async function succeedsWithin(waitMs: number, work: Promise<void>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), waitMs);
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => false,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
