/** What can be found. Stable: scripts and alerts name them. */
export type FindingClass =
  /** a record's bytes are not those that were signed, or not a record */
  | "RecordAltered"
  /** a record has no place in its journal: a type that the program may not write, another tenant's, after the end */
  | "RecordMisplaced"
  /** a private part does not match its record's commitment */
  | "PrivatePartAltered"
  /** a private part is absent though no logged erasure tells of it */
  | "PrivatePartMissing"
  /** a signed header, registration or key change is malformed, or its row says otherwise */
  | "HeaderAltered"
  /** the rows that tell which sessions a segment touches do not match its records */
  | "IndexAltered"
  | "SignatureInvalid"
  /** signed by a key that is not pinned, not this program's, not logged, or retired */
  | "KeyNotPinned"
  /** a segment of a journal that has no valid registration, or signed by a journal that may not */
  | "UnregisteredJournal"
  /** a record, segment or log entry is missing from dense numbers */
  | "NumberGap"
  /** the same row twice */
  | "Duplicate"
  /** the same number twice, with different content */
  | "Equivocation"
  | "Reordered"
  /** a record's `prev`, or a header's `previous`, is not the hash of the one before */
  | "LinkBroken"
  /** the log has an entry whose row is gone */
  | "LogEntryMissing"
  /** a row that is not in the log and does not wait for it: put in, or taken out of the queue so that it is never sealed */
  | "NotLogged"
  /** a row is not the one that the log holds */
  | "LogEntryAltered"
  /** the log's entries do not have the root that a checkpoint signed */
  | "LogRootMismatch"
  | "CheckpointInvalid"
  /** log entries that no checkpoint signs: each is signed with the entries that it comes with */
  | "CheckpointMissing"
  /** the anchor is ahead of the log: its tail was cut, or the database rolled back */
  | "RolledBack"
  /** the anchor and the log disagree about the same size */
  | "Forked"
  | "BlockAltered"
  | "BlockMissing"
  /** late records of a closed session that its amendment does not tell rightly */
  | "AmendmentWrong"
  /** records of a session that was never opened */
  | "SessionUnknown"
  | "StatementAltered"
  /** a logged erasure is announced, but not in the ledger */
  | "ErasureUnknown"
  /** a recovery does not go on from the log before it, or an epoch that no recovery began */
  | "RecoveryInvalid";

/** Where it was found: as much as is known. `index` counts log entries; `number` segments, or blocks beside `block`. */
export type Place = {
  readonly index?: number;
  readonly journal?: string;
  readonly number?: number;
  readonly seq?: number;
  readonly session?: string;
  readonly block?: number;
  /** tree size of a checkpoint */
  readonly size?: number;
  readonly anchor?: true;
};

export type Finding = { readonly class: FindingClass; readonly place: Place; readonly message: string };

/** Records that were lost, or may have been, and say so. */
export type RecordedGap = {
  readonly journal: string;
  /** `<namespace>/<name>`; undefined where the journal has none or is not known any more */
  readonly pod: string | undefined;
  /** the first that is missing; of a journal whose end nobody knows, the first that may be */
  readonly from: number;
  /** undefined: nobody knows how many, perhaps none */
  readonly lost: number | undefined;
  readonly reason: string | undefined;
  /** id of the `gap` record */
  readonly record: string;
};

/** Somebody let the log go on although it was not consistent with its anchor. What was lost is lost; that it was, is on record. */
export type RecordedRecovery = {
  /** the epoch that it began */
  readonly epoch: number;
  /** µs */
  readonly at: number;
  /** the program key that signed it */
  readonly signer: string;
  readonly reason: string;
  /** what sealing had stopped for */
  readonly finding: string;
  /** how many entries the log had */
  readonly size: number;
  /** how many the anchor had; undefined when there was none */
  readonly anchorSize: number | undefined;
  /** entries that the anchor knew and the log does not have; undefined where that can't be told */
  readonly lost: number | undefined;
};

/** Late records of a closed session that wait for their `session.amend`. */
export type PendingLate = { readonly session: string; readonly journal: string; readonly count: number };

export type VerdictCounts = {
  readonly entries: number;
  readonly checkpoints: number;
  readonly journals: number;
  readonly openJournals: number;
  readonly segments: number;
  readonly records: number;
  readonly privateParts: number;
  readonly erased: number;
  readonly blocks: number;
  readonly openSessions: number;
  /** rows that are checked and wait to be sealed */
  readonly unsealed: number;
  readonly findings: number;
  readonly gaps: number;
  readonly recoveries: number;
};

/** How the log stands to the anchor. Recovered: what the anchor vouches for is among what a recovery says was lost. */
export type AnchorState = "None" | "Matched" | "Recovered" | "Contradicted";

export type Verdict = {
  /** Unchecked: what was needed for a verdict could not be had (`problem` says what), and nothing bad was found on the way */
  readonly status: "Intact" | "Tampered" | "Unchecked";
  readonly problem?: string;
  readonly anchor: AnchorState;
  /**
   * recorded gaps: intact, but incomplete. Those of lost journals that were closed after all are none any more. At most
   * `maxFindings` of them; `counts.gaps` has them all
   */
  readonly incomplete: readonly RecordedGap[];
  /** at most `maxFindings`; `counts.recoveries` has them all */
  readonly recoveries: readonly RecordedRecovery[];
  /** at most `maxFindings` */
  readonly pending: readonly PendingLate[];
  /** the first `maxFindings`; `counts.findings` has them all */
  readonly findings: readonly Finding[];
  readonly counts: VerdictCounts;
};

/** Called now and then: how many of the log's entries are done. */
export type Progress = (done: { readonly entries: number; readonly of: number; readonly records: number }) => void;

export type VerifyOptions = {
  readonly progress?: Progress;
  /** 100 when left out */
  readonly maxFindings?: number;
  /** without an anchor the verdict is Unchecked at best */
  readonly requireAnchor?: boolean;
};
