/** What a record tells of. */
export type RecordType =
  | "session.open"
  | "session.close"
  | "session.amend"
  | "decision"
  | "action"
  | `identity.${string}`
  | `policy.${string}`
  | "gap"
  | "subject.erased"
  | "retention.dropped"
  | "journal.open"
  | "journal.close";

/** Who saw the event. */
export type RecordSource = "sidecar" | "app" | "identity" | "operator" | "cli";

/** From which sequence number on records of a journal are missing, and how many when that is known. */
export type Gap = { readonly journal: string; readonly from: number; readonly lost?: number };

/** Where a session's records are in one journal: the first and last segment's number, and how many records. */
export type JournalRange = {
  readonly journal: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
};

/** Late records of a closed session: of which block, and where they are (sorted by journal). */
export type Amendment = { readonly number: number; readonly journals: readonly JournalRange[] };

/** Consecutive segments of a journal, by their numbers. */
export type SegmentRange = { readonly journal: string; readonly first: number; readonly last: number };

/**
 * Whose private parts were erased: of whole sessions, of single records (by id), of all records older than `before` (µs), of all
 * records in `segments` but of those sessions that some erasure's `except` names, as long as none names them in `sessions`.
 */
export type Erasure = {
  readonly sessions?: readonly string[];
  readonly records?: readonly string[];
  readonly before?: number;
  readonly segments?: readonly SegmentRange[];
  readonly except?: readonly string[];
};

/** What may be erased later: kept beside the record, which holds only a salted hash of it. */
export type PrivatePart = {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly host?: string;
  readonly peer?: string;
  readonly userAgent?: string;
  readonly details?: Readonly<Record<string, string>>;
  /** A user's id. */
  readonly user?: string;
  readonly login?: string;
  readonly email?: string;
};

/** A private part as stored: with the names of the fields that were shortened. */
export type StoredPrivatePart = PrivatePart & { readonly cut?: readonly string[] };

type Common = {
  /** µs since the Unix epoch */
  readonly at: number;
  readonly source: RecordSource;
  /** `<namespace>/<pod>`, from sidecars */
  readonly pod?: string;
  readonly private?: PrivatePart;
};

/** What a program gives to have a record written. Hashes are 32 raw bytes. */
export type RecordInput = Common &
  (
    | { readonly type: "session.open"; readonly session: string; readonly statement: Uint8Array }
    | { readonly type: "session.close"; readonly session: string; readonly reason: string }
    | { readonly type: "session.amend"; readonly session: string; readonly block: Amendment }
    | {
        readonly type: "decision";
        /** only one whose statement the writer has verified */
        readonly session?: string;
        readonly request?: string;
        readonly rule?: string;
        readonly action?: string;
        readonly decision: "Allow" | "Deny";
        readonly reason?: string;
        readonly policy?: string;
        readonly stale?: true;
        readonly shadow?: true;
      }
    | {
        readonly type: "action";
        readonly session: string;
        readonly request?: string;
        readonly rule?: string;
        readonly action: string;
      }
    | { readonly type: `identity.${string}`; readonly session?: string; readonly request?: string }
    | { readonly type: `policy.${string}`; readonly policy?: string }
    | { readonly type: "gap"; readonly gap: Gap; readonly reason?: string }
    | { readonly type: "subject.erased" | "retention.dropped"; readonly erased: Erasure }
    | { readonly type: "journal.open" }
    | { readonly type: "journal.close"; readonly reason?: string }
  );

/** A record as its bytes say. Hashes are base64url. */
export type LedgerRecord = {
  readonly v: 1;
  /** `<journal>/<seq>` */
  readonly id: string;
  readonly type: RecordType;
  readonly at: number;
  readonly tenant: string;
  readonly session?: string;
  readonly request?: string;
  readonly rule?: string;
  readonly action?: string;
  readonly decision?: "Allow" | "Deny";
  readonly reason?: string;
  readonly policy?: string;
  readonly pod?: string;
  readonly stale?: true;
  readonly shadow?: true;
  readonly source: RecordSource;
  readonly prev?: string;
  readonly statement?: string;
  readonly gap?: Gap;
  readonly block?: Amendment;
  readonly erased?: Erasure;
  readonly private?: string;
};
