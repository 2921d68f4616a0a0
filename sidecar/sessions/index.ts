export { createSessionCache, type SessionCache, type SessionCacheOptions } from "./cache.ts";
export type {
  Bounds,
  KnownSession,
  Resolution,
  SessionAnswer,
  SessionEvent,
  SessionSource,
  SyncListener,
} from "./session.ts";
export type { RememberedToken, VerifiedTokens } from "./verified-tokens.ts";
