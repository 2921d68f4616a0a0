import type { VerifiedToken } from "@heauth/core/policy";
import { LRUCache } from "lru-cache";
import type { KnownSession } from "./session.ts";

export interface RememberedToken {
  readonly session: KnownSession;
  /** Times, tenant and audience are still to be judged, each time. */
  readonly token: VerifiedToken;
}

/**
 * Tokens whose signature was good, by their exact string: a warm request costs no cryptography. Each is tied to the session that
 * verified it, and goes with it.
 */
export interface VerifiedTokens {
  recall(token: string): RememberedToken | undefined;
  remember(token: string, remembered: RememberedToken): void;
  /** Drops every token of the session. */
  forget(session: string): void;
  clear(): void;
}

export function createVerifiedTokens(maxTokens: number): VerifiedTokens {
  const ofSession = new Map<string, Set<string>>();
  const tokens = new LRUCache<string, RememberedToken>({
    max: maxTokens,
    dispose: ({ session }, token) => {
      const siblings = ofSession.get(session.id);
      siblings?.delete(token);
      if (siblings?.size === 0) ofSession.delete(session.id);
    },
  });

  return {
    recall: (token) => tokens.get(token),
    remember(sent, remembered) {
      const token = copied(sent);
      tokens.set(token, remembered);
      const siblings = ofSession.get(remembered.session.id);
      if (siblings === undefined) ofSession.set(remembered.session.id, new Set([token]));
      else siblings.add(token);
    },
    forget(session) {
      for (const token of [...(ofSession.get(session) ?? [])]) tokens.delete(token);
    },
    clear: () => tokens.clear(),
  };
}

/** A string that was cut out of a header keeps the whole header in memory, and cookies may take 60 KiB. */
function copied(token: string): string {
  return Buffer.from(token, "latin1").toString("latin1");
}
