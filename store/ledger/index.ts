export { amendBlock, blocksToAmend, blocksToClose, closeBlock, type SessionName } from "./blocks.ts";
export { LedgerStoreError, type LedgerStoreErrorCode } from "./errors.ts";
export { insertSegments } from "./ingest.ts";
export {
  giveJournals,
  type JournalOwner,
  journalOwner,
  journalsOfPod,
  noteWatermark,
  readJournalHead,
  type StoredJournalHead,
} from "./journals.ts";
export { insertKeyChange, type LoggedKeyChange, readKeyChanges } from "./key-changes.ts";
export {
  appendEntries,
  beginLog,
  type EntryName,
  FIRST_EPOCH,
  insertCheckpoint,
  type LogHead,
  lockLogHead,
  readCheckpoint,
  readLeaves,
  readLogHead,
  setHalted,
} from "./log.ts";
export {
  endLostJournal,
  type OpenJournal,
  openJournals,
  type PodWithJournals,
  podsWithJournals,
} from "./lost-journals.ts";
export type { IncomingSegment } from "./open-segment.ts";
export {
  insertRecovery,
  type LoggedRecovery,
  loggedRecoveries,
  pendingRecoveries,
  type StoredRecoveryRow,
} from "./recoveries.ts";
export { type RecoveredJournal, type RegisteredJournal, registerJournal } from "./register.ts";
export {
  type Dropped,
  dropOldPrivateParts,
  dropPrivatePartsOfSpared,
  forgetOldTraces,
  tenantsWithRetention,
} from "./retention.ts";
export {
  type NamedTenant,
  type QueuedItem,
  readSealQueue,
  removeQueued,
  sealedBlockHeader,
  sealedRegistration,
  sealedSegmentHeader,
  tenantsWithLog,
  tenantsWithQueue,
} from "./seal-queue.ts";
export { LedgerReader } from "./source.ts";
export { LedgerWriter, type LedgerWriterOptions, type RecordDraft } from "./writer.ts";
