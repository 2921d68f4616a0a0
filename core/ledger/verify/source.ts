import type { SignedKeyChange } from "../key-change.ts";
import type { SignedRecovery } from "../recovery.ts";
import type { SignedRegistration } from "../registration.ts";
import type { SignedStatement } from "../statement.ts";

/** Which segment. */
export type SegmentName = { readonly journal: string; readonly number: number };

/** What a registration's row says beside it, for its readers. */
export type JournalColumns = { readonly program: string; readonly pod: string | undefined };

/** A registration's row; an export has no columns beside it. */
export type StoredRegistration = {
  readonly kind: "registration";
  readonly journal: string;
  readonly columns?: JournalColumns;
} & SignedRegistration;

/** A session's row beside a segment: which records are the session's, and their private parts. */
export type StoredSessionPart = {
  /** undefined for the records that belong to no session */
  readonly session: string | undefined;
  /** the records' indexes in the segment, ascending */
  readonly positions: readonly number[];
  /** the leaves at these positions, 32 bytes each */
  readonly leaves: Uint8Array;
  /** packed; undefined once they are erased. Where no record has one, either this or empty */
  readonly private: Uint8Array | undefined;
};

/** A segment's row, and the rows beside it: one for every session that it touches, and one for the records of none. */
export type StoredSegment = SegmentName & {
  readonly kind: "segment";
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
  /** packed records */
  readonly records: Uint8Array;
  readonly sessions: readonly StoredSessionPart[];
};

/** What a block's row says beside its header, for its readers. Times µs. */
export type BlockColumns = {
  readonly opened: number;
  readonly closed: number;
  readonly reason: string;
  /** decisions and the app's own actions */
  readonly actions: number;
};

/** A closed block's row; an export has no columns beside the header. */
export type StoredBlock = {
  readonly kind: "block";
  readonly number: number;
  readonly session: string;
  readonly header: Uint8Array;
  readonly columns?: BlockColumns;
};

/** A key change's row. */
export type StoredKeyChange = { readonly kind: "key" } & SignedKeyChange;

/** A recovery's row. */
export type StoredRecovery = { readonly kind: "recovery" } & SignedRecovery;

export type StoredRow = StoredRegistration | StoredSegment | StoredBlock | StoredKeyChange | StoredRecovery;

/** A row of the tenant log, with the row that it tells of; that one is undefined when it is not there any more. */
export type StoredEntry = { readonly index: number; readonly leaf: Uint8Array; readonly row: StoredRow | undefined };

/** What waits to be appended to the log; its row is undefined when it is not there any more. */
export type StoredWaiting = {
  readonly journal?: string | undefined;
  readonly number?: number | undefined;
  readonly row: StoredRow | undefined;
};

/** A checkpoint's row. */
export type StoredCheckpoint = { readonly epoch: number; readonly size: number; readonly note: string };

/** What a session's row says beside its statement, for its readers. Times µs. */
export type SessionColumns = {
  readonly kind: string;
  readonly user: string;
  readonly opened: number;
  readonly expires: number;
};

/** A session statement that is still kept; an export has no columns beside it. */
export type StoredStatement = SignedStatement & { readonly columns?: SessionColumns };

/** Where a session's block stands: its number, and its index in the log (undefined while it is not sealed). */
export type BlockPlace = { readonly number: number; readonly index: number | undefined };

/**
 * What `verifyLedger` reads: one tenant's ledger as it is stored, in one consistent snapshot. The store implements it over
 * SQL, an export over files. Nothing of it is trusted. The iterables must stream (bounded memory); they may be read
 * side by side.
 */
export interface LedgerSource {
  readonly tenant: string;
  /** How many log entries there are, for the progress only. */
  size(): Promise<number>;
  /** The log in index order. */
  entries(): AsyncIterable<StoredEntry>;
  /** What waits to be appended to the log, in the order in which it will be. */
  unsealed(): AsyncIterable<StoredWaiting>;
  /** Rows that are neither in the log nor wait for it. An honest ledger has none: a row and its waiting are written at once. */
  strays(): AsyncIterable<StoredRow>;
  /** By epoch and size. */
  checkpoints(): AsyncIterable<StoredCheckpoint>;
  /** The segments, sealed or not, that hold `subject.erased` or `retention.dropped` records; each once, in any order. */
  erasures(): AsyncIterable<SegmentName>;
  /** One segment, sealed or not; asked for erasures, and for late records of closed sessions. */
  segment(name: SegmentName): Promise<StoredSegment | undefined>;
  /** The numbers of the journal's segments that have a row for the session, ascending. */
  segmentsOfSession(session: string, journal: string): Promise<readonly number[]>;
  /** Where the session's closed block stands, if it has one. */
  blockOfSession(session: string): Promise<BlockPlace | undefined>;
  /** The session statements that are still kept, by session. Leave it out where statements are not at hand. */
  statements?(sessions: readonly string[]): Promise<ReadonlyMap<string, StoredStatement>>;
}
