import type { CheckedClaims } from "../tokens/check-claims.ts";
import type { CredentialSource } from "./compiled.ts";
import type { ReasonName } from "./reasons.ts";

/** What is known of a request before its credential is looked at. Header values as they came; absent = undefined. */
export interface RequestFacts {
  readonly method: string;
  /** The request target as received: path and query. */
  readonly target: string;
  /** Host or :authority; compared with Origin only. */
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly secFetchSite?: string | undefined;
  readonly secFetchMode?: string | undefined;
  readonly upgrade?: string | undefined;
}

/**
 * What the credential turned out to be.
 * - `None`: none was sent from a source that the policy accepts.
 * - `Refused`: it could not be verified; `reason` says why (`StoreUnavailable`: nobody could say whether the session exists).
 * - `Verified`: the session's statement and the token's type, signature and tag are good. Times, tenant, audience and the
 *   session's state are checked by `decide()`, each time.
 */
export type Evidence =
  | { readonly kind: "None" }
  | { readonly kind: "Refused"; readonly reason: CredentialRefusal }
  | {
      readonly kind: "Verified";
      readonly source: CredentialSource;
      readonly token: VerifiedToken;
      readonly session: SessionEvidence;
    };

export type CredentialRefusal = Extract<
  ReasonName,
  | "MalformedCredential"
  | "DuplicateCredential"
  | "OversizeCredential"
  | "MalformedToken"
  | "WrongType"
  | "WrongAlgorithm"
  | "BadTag"
  | "WrongTenant"
  | "UnknownSession"
  | "BadStatement"
  | "BadSignature"
  | "StoreUnavailable"
  | "Overloaded"
>;

/** Claims of a token whose signature is good: as many as a decision needs, since they are remembered. */
export type VerifiedToken = CheckedClaims;

/** The session as the store last told it. */
export interface SessionEvidence {
  readonly id: string;
  readonly tenant: string;
  readonly subject: string;
  readonly roles: readonly string[];
  readonly status: "Open" | "Closed";
  /** Why it was closed: a name of the reasons where that is one (`SessionIdle`, `SessionExpired`). */
  readonly closeReason?: string | undefined;
  /** Time since it was last used, in ms. */
  readonly idleMs: number;
  /** Absolute expiry, ms since the epoch. */
  readonly expiresAtMs: number;
  /** How long ago this state was known to be true: now − max(seen, horizon), in ms. */
  readonly ageMs: number;
}
