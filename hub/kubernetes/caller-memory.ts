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
}

/** Whose tokens were lately found to be, by the tokens' hashes: a token itself is kept for no longer than the call. */
export interface CallerMemory {
  /** Callers that are remembered, also those that count no more. */
  readonly size: number;
  /** What is remembered and not too old. */
  recall(key: string): Caller | CallError | undefined;
  /** Whether it was a good one when it was last looked at, however long ago. */
  wasAccepted(key: string): boolean;
  accept(key: string, at: Instant, caller: Caller): void;
  refuse(key: string, at: Instant, error: CallError): void;
  /** The caller has changed; his token is not proven anew by that. */
  update(key: string, caller: Caller): void;
  /** Whatever token the pod brings next is asked about again. */
  forget(uid: string): void;
}

const MAX_TOKENS = 20_000;

export function createCallerMemory({ clock, trustFor, refuseFor }: CallerMemoryOptions): CallerMemory {
  const accepted = new LRUCache<string, { at: Instant; caller: Caller }>({ max: MAX_TOKENS });
  const refused = new LRUCache<string, { at: Instant; error: CallError }>({ max: MAX_TOKENS });

  return {
    get size() {
      return accepted.size;
    },
    recall(key) {
      const good = accepted.get(key);
      if (good !== undefined && elapsedMs(clock, good.at) < trustFor) return good.caller;
      const bad = refused.get(key);
      return bad !== undefined && elapsedMs(clock, bad.at) < refuseFor ? bad.error : undefined;
    },
    wasAccepted: (key) => accepted.has(key),
    accept: (key, at, caller) => void accepted.set(key, { at, caller }),
    refuse(key, at, error) {
      accepted.delete(key);
      refused.set(key, { at, error });
    },
    update(key, caller) {
      const known = accepted.get(key);
      if (known !== undefined) accepted.set(key, { at: known.at, caller });
    },
    forget(uid) {
      for (const [key, { caller }] of accepted) if (caller.uid === uid) accepted.delete(key);
    },
  };
}
