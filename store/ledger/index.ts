export { LedgerStoreError, type LedgerStoreErrorCode } from "./errors.ts";
export { insertSegments } from "./ingest.ts";
export { noteWatermark, readJournalHead, type StoredJournalHead } from "./journals.ts";
export type { IncomingSegment } from "./open-segment.ts";
export { type RecoveredJournal, type RegisteredJournal, registerJournal } from "./register.ts";
export { LedgerWriter, type LedgerWriterOptions, type RecordDraft } from "./writer.ts";
