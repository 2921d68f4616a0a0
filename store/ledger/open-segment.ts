import {
  commitment,
  LedgerError,
  type LedgerRecord,
  leafHash,
  mayHold,
  type PackedPart,
  parseRecord,
  parseSegmentHeader,
  type Registration,
  type SegmentHeader,
  sha256,
  splitRecordId,
  treeHash,
  unpackPrivateParts,
  unpackRecords,
  verifySegmentSignature,
} from "@heauth/core/ledger";
import { LedgerStoreError } from "./errors.ts";

/** A segment as it comes in. `privates`: packed, of all its records. */
export interface IncomingSegment {
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
  readonly records: Uint8Array;
  readonly privates: Uint8Array;
}

export interface OpenedRecord {
  readonly record: LedgerRecord;
  readonly leaf: Buffer;
  /** salt ‖ private bytes */
  readonly salted: Uint8Array | undefined;
}

/** A segment whose signature, root, records and commitments hold. */
export interface OpenedSegment {
  readonly incoming: IncomingSegment;
  readonly header: SegmentHeader;
  /** SHA-256 of the header's bytes. */
  readonly hash: Buffer;
  readonly records: readonly OpenedRecord[];
}

/**
 * Checks all of a segment that can be checked without its neighbours.
 * @param journal the registration of the journal whose records it holds
 * @param signers registrations by journal, with at least the header's signer
 * @throws LedgerStoreError SegmentRefused
 */
export function openSegment(
  incoming: IncomingSegment,
  header: SegmentHeader,
  journal: Registration,
  signers: ReadonlyMap<string, Registration>,
): OpenedSegment {
  try {
    checkSigner(incoming, header, journal, signers);
    const records = openRecords(incoming, header);
    for (const [index, { record }] of records.entries()) checkPlace(record, index, header, journal);
    return { incoming, header, hash: sha256(incoming.header), records };
  } catch (error) {
    if (error instanceof LedgerError) throw refused(header, error.message, error);
    throw error;
  }
}

/** @throws LedgerStoreError SegmentRefused */
export function readHeader(header: Uint8Array): SegmentHeader {
  try {
    return parseSegmentHeader(header);
  } catch (error) {
    if (error instanceof LedgerError) throw new LedgerStoreError("SegmentRefused", error.message, { cause: error });
    throw error;
  }
}

export function refused(
  { journal, number }: Pick<SegmentHeader, "journal" | "number">,
  problem: string,
  cause?: unknown,
): LedgerStoreError {
  return new LedgerStoreError("SegmentRefused", `segment ${number} of journal ${journal}: ${problem}`, { cause });
}

function checkSigner(
  incoming: IncomingSegment,
  header: SegmentHeader,
  journal: Registration,
  signers: ReadonlyMap<string, Registration>,
): void {
  if (header.tenant !== journal.tenant || header.pod !== journal.pod) {
    throw refused(header, "its tenant or pod is not its journal's");
  }
  const signer = signers.get(header.signer);
  const allowed = header.signer === header.journal || signer?.recovers?.includes(header.journal);
  if (signer === undefined || !allowed) throw refused(header, "its signer may not sign for this journal");
  if (!verifySegmentSignature(incoming.header, incoming.signature, Buffer.from(signer.key, "base64url"))) {
    throw refused(header, "the signature is not valid");
  }
}

function openRecords(incoming: IncomingSegment, header: SegmentHeader): OpenedRecord[] {
  const packed = unpackRecords(incoming.records);
  if (packed.length !== header.count) throw refused(header, "it does not hold as many records as it says");
  const leaves = packed.map((bytes) => leafHash(bytes));
  if (!Buffer.from(header.root, "base64url").equals(treeHash(leaves))) throw refused(header, "its root is another");
  const parts = new Map(unpackPrivateParts(incoming.privates).map(({ index, salted }: PackedPart) => [index, salted]));
  const records = packed.map((bytes, index) => {
    const record = parseRecord(bytes);
    const salted = parts.get(index);
    const said = salted === undefined ? undefined : commitment(salted).toString("base64url");
    if (record.private !== said) throw refused(header, `record ${index}: its private part is not what it commits to`);
    parts.delete(index);
    return { record, leaf: leaves[index] as Buffer, salted };
  });
  if (parts.size > 0) throw refused(header, "private parts of records that it does not hold");
  if (records[0]?.record.at !== header.opened || records.at(-1)?.record.at !== header.closed) {
    throw refused(header, "its times are not its records'");
  }
  return records;
}

function checkPlace(record: LedgerRecord, index: number, header: SegmentHeader, journal: Registration): void {
  const { journal: name, seq } = splitRecordId(record.id);
  const problem = (): string | undefined => {
    if (record.tenant !== header.tenant) return "another tenant's";
    if (name !== header.journal || seq !== header.first + index) return "its id is not the journal's next";
    if (!mayHold(journal.program, record.type)) return `a journal of ${journal.program} can't hold ${record.type}`;
    if (record.pod !== undefined && record.pod !== journal.pod) return "another pod's";
    const ownSource = record.source === journal.program || (journal.program === "sidecar" && record.source === "app");
    if (!ownSource) return "its source is not its journal's";
    if ((record.type === "journal.open") !== (seq === 0)) return "journal.open is a journal's first record";
    const last = index === header.count - 1;
    const closes = record.type === "journal.close";
    if (closes !== (last && header.final === true)) return "journal.close is the last record of the final segment";
    return undefined;
  };
  const found = problem();
  if (found !== undefined) throw refused(header, `record ${index}: ${found}`);
}
