/** What can be wrong with ledger material. Stable: callers may branch on it. */
export type LedgerErrorCode =
  | "RecordInvalid"
  | "RecordTooLarge"
  | "PackedInvalid"
  | "DocumentInvalid"
  | "KeyInvalid"
  | "KeysFileInvalid"
  | "NoteInvalid"
  | "SignatureInvalid"
  | "ProofRangeInvalid"
  | "FrontierInvalid"
  | "SegmentInvalid";

/** The only error this package throws. The message names the field or part at fault, never its value. */
export class LedgerError extends Error {
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LedgerError";
    this.code = code;
  }
}
