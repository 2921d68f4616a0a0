import type { KeyObject } from "node:crypto";
import type { SessionEvidence } from "@heauth/core/policy";
import type { Instant } from "@heauth/program";

/** A session's state as the hub answered it; nothing in it is checked yet. */
export interface SessionAnswer {
  readonly session: string;
  readonly status: "Open" | "Closed" | "Unknown";
  /** Grows with every change of the session. */
  readonly generation: bigint;
  /** Whose subject and roles these are; to be the statement's. */
  readonly user: string;
  readonly statement: Uint8Array;
  readonly statementSignature: Uint8Array;
  readonly subject: string;
  readonly roles: readonly string[];
  /** Empty unless closed. */
  readonly closeReason: string;
  /** How long ago it was last used, by the store's clock, ms. */
  readonly idleMs: number;
}

/** Where session states come from: the hub. */
export interface SessionSource {
  /** The state read after `askedAt`, on this machine's clocks. Rejects with a `CallError` when there is no answer. */
  lookUp(tenant: string, session: string): Promise<{ readonly answer: SessionAnswer; readonly askedAt: Instant }>;
}

/** How old a state may be, from the policy in force. All in ms. */
export interface Bounds {
  readonly revalidateAfterMs: number;
  readonly maxStalenessMs: number;
  readonly idleTimeoutMs: number;
}

/** A session whose statement is identity's. */
export interface KnownSession {
  readonly id: string;
  readonly tenant: string;
  readonly kind: "User" | "Tenant";
  readonly user: string;
  /** Verifies the session's tokens. Made anew at each access. */
  readonly publicKey: KeyObject;
}

/**
 * What is known of a session id.
 * - `Known`: open or closed, as `evidence.status` says; `stale` where it could not be read again in time.
 * - `Unknown`: the store has no such session.
 * - `Untrusted`: the hub told of a session that identity's keys do not vouch for.
 * - `Unavailable`: nobody could say within the bounds.
 */
export type Resolution =
  | {
      readonly kind: "Known";
      readonly session: KnownSession;
      readonly evidence: SessionEvidence;
      readonly stale: boolean;
    }
  | { readonly kind: "Unknown" | "Untrusted" | "Unavailable" };

/** Told, in order, of what a stream from the hub brings. */
export interface SyncListener {
  /** The store is another one than before: nothing remembered is of it. */
  storeChanged(): void;
  /** A tenant's events begin on this stream; `missed` where some since the last stream's are not to be had. */
  begin(tenant: string, missed: boolean): void;
  event(event: SessionEvent): void;
  /** Every event committed before `at` has come in, of each tenant that has begun on this stream. */
  horizon(at: Instant): void;
  /** The stream is over; what it vouched for stays vouched for up to its last horizon. */
  ended(): void;
}

export type SessionEvent =
  | {
      readonly kind: "SessionClosed" | "SessionChanged";
      readonly tenant: string;
      readonly session: string;
      readonly generation: bigint;
    }
  | { readonly kind: "TenantChanged"; readonly tenant: string };
