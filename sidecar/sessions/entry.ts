import { hash, type KeyObject } from "node:crypto";
import { publicKeyOf } from "@heauth/core/ledger";
import { type SessionStatement, verifySessionStatement } from "@heauth/core/sessions";
import { type Clock, elapsedMs, type Instant } from "@heauth/program";
import type { KnownSession, SessionAnswer } from "./session.ts";
import type { Epoch } from "./vouching.ts";

/** A session in the cache. */
export interface Entry {
  readonly session: KnownSession;
  /** Hash of the verified statement: a state that comes with the same one needs no second look. */
  readonly statement: string;
  readonly expiresAtMs: number;
  state: EntryState;
  /** Last use through this sidecar, which the store hears of only later. */
  lastUsed: Instant | undefined;
}

export interface EntryState {
  readonly status: "Open" | "Closed";
  readonly generation: bigint;
  readonly subject: string;
  readonly roles: readonly string[];
  /** Undefined while open, and when only the event has told of the close. */
  readonly closeReason: string | undefined;
  readonly idleMs: number;
  /** When the state was asked for. */
  readonly seen: Instant;
  /** What vouches for the state after that. */
  readonly epoch: Epoch;
  /** An event has told of a change since: to be read again before use, where that is possible. */
  readonly outdated: boolean;
}

/** The answer's statement if identity vouches for it, and the session by it. */
export function knownSession(
  answer: SessionAnswer,
  tenant: string,
  identityKeys: ReadonlyMap<string, KeyObject>,
): Pick<Entry, "session" | "statement" | "expiresAtMs"> | undefined {
  const { session: id, statement: bytes, statementSignature: signature } = answer;
  const statement = verifySessionStatement({ bytes, signature }, identityKeys, { tenant, session: id });
  if (statement?.user !== answer.user) return undefined;
  return {
    session: new StatedSession(id, tenant, statement),
    statement: statementHash(bytes),
    expiresAtMs: statement.expires / 1000,
  };
}

export function statementHash(statement: Uint8Array): string {
  return hash("sha256", statement, "base64url");
}

/** A KeyObject takes a kilobyte, and is needed once for each token: it is made when it is asked for. */
class StatedSession implements KnownSession {
  readonly id: string;
  readonly tenant: string;
  readonly kind: KnownSession["kind"];
  readonly user: string;
  readonly #key: string;

  constructor(id: string, tenant: string, { kind, user, publicKey }: SessionStatement) {
    this.id = id;
    this.tenant = tenant;
    this.kind = kind;
    this.user = user;
    this.#key = publicKey.toString("base64url");
  }

  get publicKey(): KeyObject {
    return publicKeyOf(Buffer.from(this.#key, "base64url"));
  }
}

/** How long ago the state was known to be true, ms: now − max(seen, horizon). A closed session stays closed: always 0. */
export function ageMs(clock: Clock, { status, seen, epoch }: EntryState): number {
  if (status === "Closed") return 0;
  const sinceSeen = elapsedMs(clock, seen);
  return epoch.horizon === undefined ? sinceSeen : Math.min(sinceSeen, elapsedMs(clock, epoch.horizon));
}

/** Time since the session was last used, as far as this sidecar knows, ms. */
export function idleMs(clock: Clock, { state, lastUsed }: Entry): number {
  const byStore = state.idleMs + elapsedMs(clock, state.seen);
  return lastUsed === undefined ? byStore : Math.min(byStore, elapsedMs(clock, lastUsed));
}
