export { type CloseReason, closedReason, closeReasons } from "./close-reason.ts";
export {
  deriveRefreshKey,
  deriveSessionKeyPair,
  newSessionKey,
  type SessionKeyMaterial,
  type SessionKeyPair,
} from "./session-key.ts";
export {
  type SessionKind,
  type SessionStatement,
  type SignedStatement,
  type StatementSigner,
  signSessionStatement,
  verifySessionStatement,
} from "./statement.ts";
export { type SessionTimes, timedOut } from "./timeouts.ts";
