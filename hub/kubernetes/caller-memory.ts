import { type Clock, elapsedMs, type Instant } from "@heauth/program";
import type { CallError } from "@heauth/protocol";
import { LRUCache } from "lru-cache";
import type { Caller } from "../callers.ts";

export interface CallerMemoryOptions {
  clock: Clock;
  /** How long a caller is remembered, ms. */
  trustFor: number;
  /** How long a refusal is, ms. */
  refuseFor: number;
  /** How long after the last good answer about him a caller stays known while there are no answers, ms. */
  staleFor: number;
}

/** Whose tokens were lately found to be, by the tokens' hashes: a token itself is kept for no longer than the call. */
export interface CallerMemory {
  /** Callers that are remembered, also those that count no more. */
  readonly size: number;
  /** What is remembered and not too old. */
  recall(key: string): Caller | CallError | undefined;
  /** Who it was by the last good answer, for as long as one may go by that without another. */
  lastKnown(key: string): Caller | undefined;
  /** Whether it was a good one when it was last looked at, however long ago. */
  wasAccepted(key: string): boolean;
  accept(key: string, at: Instant, caller: Caller): void;
  refuse(key: string, at: Instant, error: CallError): void;
  /** The caller was looked at, and may have changed; his token is not proven anew by that. */
  update(key: string, at: Instant, caller: Caller): void;
  /** Whatever token the pod brings next is asked about again. */
  forget(uid: string): void;
}

const MAX_TOKENS = 20_000;

interface Accepted {
  /** When the token was proven. */
  readonly proven: Instant;
  /** When the caller was last found to be there. */
  readonly seen: Instant;
  readonly caller: Caller;
}

export function createCallerMemory({ clock, trustFor, refuseFor, staleFor }: CallerMemoryOptions): CallerMemory {
  const accepted = new LRUCache<string, Accepted>({ max: MAX_TOKENS });
  const refused = new LRUCache<string, { at: Instant; error: CallError }>({ max: MAX_TOKENS });

  return {
    get size() {
      return accepted.size;
    },
    recall(key) {
      const good = accepted.get(key);
      if (good !== undefined && elapsedMs(clock, good.proven) < trustFor) return good.caller;
      const bad = refused.get(key);
      return bad !== undefined && elapsedMs(clock, bad.at) < refuseFor ? bad.error : undefined;
    },
    lastKnown(key) {
      const good = accepted.get(key);
      return good !== undefined && elapsedMs(clock, good.seen) < staleFor ? good.caller : undefined;
    },
    wasAccepted: (key) => accepted.has(key),
    accept: (key, at, caller) => void accepted.set(key, { proven: at, seen: at, caller }),
    refuse(key, at, error) {
      accepted.delete(key);
      refused.set(key, { at, error });
    },
    update(key, at, caller) {
      const known = accepted.get(key);
      if (known !== undefined) accepted.set(key, { proven: known.proven, seen: at, caller });
    },
    forget(uid) {
      for (const [key, { caller }] of accepted) if (caller.uid === uid) accepted.delete(key);
    },
  };
}
