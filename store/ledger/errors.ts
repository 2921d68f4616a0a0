/**
 * - `JournalUnknown`: no such journal of this tenant.
 * - `JournalFinal`: the journal was closed; nothing can be added.
 * - `RegistrationRefused`: a registration that its registrar may not countersign.
 * - `SegmentRefused`: a segment that is not what its header says, or holds what its journal may not. Nothing of the call is stored.
 * - `OutOfOrder`: the segment is not the journal's next one.
 * - `Equivocation`: the same journal or segment number was stored with other content. An alarm: nobody honest does this.
 * - `HeadMoved`: somebody else appended to the log in between.
 * - `JournalsUnfinished`: not all of a run's journals could be closed; why not, its cause says.
 * - `WriterClosed`: the program's journals were closed; it is stopping.
 */
export type LedgerStoreErrorCode =
  | "JournalUnknown"
  | "JournalFinal"
  | "RegistrationRefused"
  | "SegmentRefused"
  | "OutOfOrder"
  | "Equivocation"
  | "HeadMoved"
  | "JournalsUnfinished"
  | "WriterClosed";

/** What storing the ledger can refuse. The message names the place and the rule, never a value of a record. */
export class LedgerStoreError extends Error {
  readonly code: LedgerStoreErrorCode;

  constructor(code: LedgerStoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LedgerStoreError";
    this.code = code;
  }
}
