export { type BlockDraft, type BlockHeader, buildBlockHeader, parseBlockHeader, type SessionLeaves } from "./block.ts";
export { canonicalBytes, canonicalJson, type Json, parseCanonical } from "./canonical.ts";
export {
  type MessageKind,
  type PublicKey,
  publicKeyOf,
  rawPublicKey,
  signedMessage,
  signMessage,
  verifyMessage,
} from "./ed25519.ts";
export { LedgerError, type LedgerErrorCode } from "./errors.ts";
export { Frontier } from "./frontier.ts";
export { describeGap, JOURNAL_LOST } from "./gap.ts";
export { EMPTY_ROOT, HASH_BYTES, leafHash, nodeHash, sha256 } from "./hash.ts";
export { type JournalName, JournalSequence } from "./journal/sequence.ts";
export {
  type KeyChange,
  parseKeyChange,
  type SignedKeyChange,
  signKeyChange,
  verifyKeyChange,
} from "./key-change.ts";
export {
  formatPinnedKeys,
  isKeyProgram,
  type KeyProgram,
  type PinnedKey,
  type PinnedKeys,
  type ProgramSigner,
  parsePinnedKeys,
  pinnedKey,
  pinnedKeys,
  programKeyId,
} from "./keys.ts";
export {
  type Checkpoint,
  checkpointOrigin,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from "./log/checkpoint.ts";
export { entryBytes, entryLeaf, type LogEntry } from "./log/entry.ts";
export {
  type Note,
  type NoteKey,
  type NoteSignature,
  type NoteSigner,
  noteKeyId,
  parseNote,
  signNote,
  verifyNote,
} from "./log/note.ts";
export {
  consistencyProof,
  inclusionProof,
  type TreeHead,
  verifyConsistency,
  verifyInclusion,
} from "./proof.ts";
export { type EncodedRecord, encodeRecord, type RecordPlace } from "./record/encode.ts";
export { MAX_RECORD_BYTES } from "./record/limit.ts";
export { type PackedPart, packPrivateParts, packRecords, unpackPrivateParts, unpackRecords } from "./record/pack.ts";
export { parseRecord, splitRecordId } from "./record/parse.ts";
export { commitment, parsePrivatePart } from "./record/private-part.ts";
export { SALT_BYTES } from "./record/salt.ts";
export type {
  Amendment,
  Erasure,
  Gap,
  JournalRange,
  LedgerRecord,
  PrivatePart,
  RecordInput,
  RecordSource,
  RecordType,
  SegmentRange,
  StoredPrivatePart,
} from "./record/types.ts";
export {
  entriesLost,
  isReason,
  isStated,
  parseRecovery,
  type Recovery,
  type SignedRecovery,
  type StatedAnchor,
  type StatedHead,
  signRecovery,
  statedHead,
  verifyRecovery,
} from "./recovery.ts";
export {
  buildRegistration,
  countersignRegistration,
  type JournalProgram,
  mayHold,
  parseRegistration,
  type Registration,
  registrarOf,
  type SignedRegistration,
  signPossession,
  verifyPossession,
  verifyRegistration,
} from "./registration.ts";
export {
  JOURNAL_START,
  type JournalHead,
  MAX_SEGMENT_RECORDS,
  parseSegmentHeader,
  type SealedSegment,
  type SegmentDraft,
  type SegmentHeader,
  type SegmentRecord,
  sealSegment,
  verifySegmentSignature,
} from "./segment.ts";
export { type PartRecord, sessionParts } from "./session-parts.ts";
export { type SessionStatement, type SignedStatement, verifyStatement } from "./statement.ts";
export { rootAt, treeHash } from "./tree.ts";
export type {
  BlockColumns,
  BlockPlace,
  JournalColumns,
  LedgerSource,
  SegmentName,
  SessionColumns,
  StoredBlock,
  StoredCheckpoint,
  StoredEntry,
  StoredKeyChange,
  StoredRecovery,
  StoredRegistration,
  StoredRow,
  StoredSegment,
  StoredSessionPart,
  StoredStatement,
  StoredWaiting,
} from "./verify/source.ts";
export type {
  AnchorState,
  Finding,
  FindingClass,
  PendingLate,
  Place,
  Progress,
  RecordedGap,
  RecordedRecovery,
  Verdict,
  VerdictCounts,
  VerifyOptions,
} from "./verify/verdict.ts";
export { verifyLedger } from "./verify/verify.ts";
