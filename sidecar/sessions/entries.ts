import type { KeyObject } from "node:crypto";
import type { Clock, Instant } from "@heauth/program";
import { elapsedMs, instant } from "@heauth/program";
import { LRUCache } from "lru-cache";
import { type Entry, type EntryState, knownSession, statementHash } from "./entry.ts";
import type { Landing } from "./flights.ts";
import type { Vouching } from "./vouching.ts";

export interface EntriesOptions {
  identityKeys: () => ReadonlyMap<string, KeyObject>;
  clock: Clock;
  vouching: Vouching;
  maxSessions: number;
  /** Sessions that are not, or are nobody's, remembered apart: a flood of them pushes no session out. */
  maxAbsent: number;
  absentForMs: number;
  /** The session is closed or gone: nothing verified by it counts any more. */
  onGone(session: string): void;
  onUntrusted(): void;
}

export type Absence = "Unknown" | "Untrusted";

/** What is remembered of sessions. */
export interface Entries {
  readonly size: number;
  get(tenant: string, session: string): Entry | undefined;
  absence(session: string): Absence | undefined;
  /** Takes in what a look-up brought, unless something newer is known. */
  land(landing: Landing): void;
  /** An event told that the session is closed. */
  close(session: string, generation: bigint): void;
  /** Events told that states are out of date: to be read again, and not vouched for from now on. */
  outdate(session: string, generation: bigint): void;
  outdateTenant(tenant: string): void;
  clear(): void;
}

export function createEntries(options: EntriesOptions): Entries {
  const { clock, vouching, identityKeys, onGone, onUntrusted } = options;
  const entries = new LRUCache<string, Entry>({
    max: options.maxSessions,
    dispose: (_entry, session, cause) => {
      if (cause !== "set") onGone(session);
    },
  });
  const absent = new LRUCache<string, { absence: Absence; seen: Instant }>({ max: options.maxAbsent });

  function setAbsent(session: string, absence: Absence, seen: Instant): void {
    entries.delete(session);
    absent.set(session, { absence, seen });
  }

  function setState(entry: Entry, state: EntryState): void {
    entry.state = state;
    if (state.status === "Closed") onGone(entry.session.id);
  }

  /** A state that keeps what vouched for it until now, and nothing after. */
  function outdated(state: EntryState, generation: bigint): EntryState {
    return { ...state, generation, outdated: true, epoch: vouching.frozen(state.epoch) };
  }

  return {
    get size() {
      return entries.size;
    },
    get(tenant, session) {
      const entry = entries.get(session);
      return entry?.session.tenant === tenant ? entry : undefined;
    },
    absence(session) {
      const found = absent.get(session);
      return found !== undefined && elapsedMs(clock, found.seen) <= options.absentForMs ? found.absence : undefined;
    },
    land({ tenant, answer, askedAt, epoch }) {
      const { session, status } = answer;
      if (status === "Unknown") return setAbsent(session, "Unknown", askedAt);
      const known = entries.peek(session);
      const current = known?.session.tenant === tenant ? known : undefined;
      if (current !== undefined && isOlder(answer, current.state)) return;
      const state = stateOf(answer, askedAt, epoch);
      if (current !== undefined && isOfSame(current, answer)) return setState(current, state);

      const trusted = knownSession(answer, tenant, identityKeys());
      if (trusted !== undefined) {
        onGone(session);
        entries.set(session, { ...trusted, state, lastUsed: current?.lastUsed });
        absent.delete(session);
      } else if (current !== undefined && status === "Closed") {
        setState(current, state);
      } else {
        onUntrusted();
        setAbsent(session, "Untrusted", askedAt);
      }
    },
    close(session, generation) {
      const entry = entries.peek(session);
      if (entry === undefined || entry.state.status === "Closed") return;
      setState(entry, { ...entry.state, status: "Closed", generation, closeReason: undefined, seen: instant(clock) });
    },
    outdate(session, generation) {
      const entry = entries.peek(session);
      if (entry === undefined || entry.state.status === "Closed" || generation <= entry.state.generation) return;
      setState(entry, outdated(entry.state, generation));
    },
    outdateTenant(tenant) {
      for (const entry of entries.values()) {
        if (entry.session.tenant === tenant && entry.state.status === "Open") {
          setState(entry, outdated(entry.state, entry.state.generation));
        }
      }
      absent.clear();
    },
    clear() {
      entries.clear();
      absent.clear();
    },
  };
}

function stateOf({ status, ...answer }: Landing["answer"], seen: Instant, epoch: EntryState["epoch"]): EntryState {
  return {
    status: status === "Open" ? "Open" : "Closed",
    generation: answer.generation,
    subject: answer.subject,
    roles: answer.roles,
    closeReason: status === "Open" ? undefined : answer.closeReason,
    idleMs: answer.idleMs,
    seen,
    epoch,
    outdated: false,
  };
}

/** What was checked before needs no second look. */
function isOfSame(known: Entry, { user, statement }: Landing["answer"]): boolean {
  return known.session.user === user && known.statement === statementHash(statement);
}

/** A closed session never opens again; an open one's state must not be an older one than is known. */
function isOlder(answer: Landing["answer"], known: EntryState): boolean {
  return answer.status === "Open" && (known.status === "Closed" || answer.generation < known.generation);
}
