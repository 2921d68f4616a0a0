import type { KeyObject } from "node:crypto";
import { canonicalBytes } from "./canonical.ts";
import { type PublicKey, signMessage, verifyMessage } from "./ed25519.ts";
import { LedgerError } from "./errors.ts";
import { isHash, isPod, isTrue, isUuid, isUuid7, isVersion, isWhole } from "./guards.ts";
import { sha256 } from "./hash.ts";
import { packRecords } from "./record/pack.ts";
import { optional, parseDocument, required, type Shape } from "./shape.ts";
import { treeHash } from "./tree.ts";

/** A segment holds at most that many records. */
export const MAX_SEGMENT_RECORDS = 4096;

/** A segment's signed header. Hashes are base64url, times µs. */
export type SegmentHeader = {
  readonly v: 1;
  readonly tenant: string;
  readonly journal: string;
  readonly number: number;
  /** the first record's seq */
  readonly first: number;
  readonly count: number;
  /** SHA-256 of the previous header's bytes */
  readonly previous?: string;
  readonly root: string;
  readonly opened: number;
  readonly closed: number;
  readonly pod?: string;
  /** the journal whose key signs */
  readonly signer: string;
  readonly final?: true;
};

/** How far a journal's segments go: what the next one continues. */
export type JournalHead = {
  /** next segment's number */
  readonly number: number;
  /** next record's seq */
  readonly seq: number;
  /** SHA-256 of the last header's bytes; none before the first segment */
  readonly previous?: Uint8Array;
};

/** Before a journal's first segment. */
export const JOURNAL_START: JournalHead = { number: 0, seq: 0 };

/** An encoded record as far as a segment needs it; what is read back from a write-ahead log has this much. */
export type SegmentRecord = { readonly bytes: Uint8Array; readonly leaf: Uint8Array; readonly at: number };

/** What is to be sealed. */
export type SegmentDraft = {
  readonly tenant: string;
  readonly journal: string;
  readonly pod?: string;
  /** the journal whose key signs; itself unless it recovers an ended process's records */
  readonly signer?: string;
  /** the signer's private key */
  readonly key: KeyObject;
  readonly head: JournalHead;
  /** 1 to 4,096 records with consecutive seqs from `head.seq` on */
  readonly records: readonly SegmentRecord[];
  /** is the last record the journal's `journal.close`? */
  readonly final?: boolean;
};

/** A segment as it is shipped and stored, and where the journal goes on. */
export type SealedSegment = {
  readonly number: number;
  readonly first: number;
  readonly count: number;
  readonly header: Buffer;
  readonly signature: Buffer;
  readonly records: Buffer;
  readonly next: JournalHead;
};

const SHAPE: Shape<SegmentHeader> = {
  v: required(isVersion),
  tenant: required(isUuid),
  journal: required(isUuid7),
  number: required(isWhole),
  first: required(isWhole),
  count: required((value): value is number => isWhole(value) && value >= 1 && value <= MAX_SEGMENT_RECORDS),
  previous: optional(isHash),
  root: required(isHash),
  opened: required(isWhole),
  closed: required(isWhole),
  pod: optional(isPod),
  signer: required(isUuid7),
  final: optional(isTrue),
};

/** @throws LedgerError DocumentInvalid */
export function parseSegmentHeader(header: Uint8Array): SegmentHeader {
  const parsed = parseDocument("segment header", header, SHAPE);
  if ((parsed.number === 0) !== (parsed.previous === undefined)) {
    throw new LedgerError("DocumentInvalid", "segment header: previous is in every header but the first");
  }
  return parsed;
}

/** Is the header signed by this key? */
export function verifySegmentSignature(header: Uint8Array, signature: Uint8Array, key: PublicKey): boolean {
  return verifyMessage("segment", header, signature, key);
}

/**
 * Closes a segment: header, signature, packed records. Pure; the same for a journal's own segments, for a shipper that reads
 * its records back from a write-ahead log, and for a journal that recovers another's.
 * @throws LedgerError SegmentInvalid, DocumentInvalid
 */
export function sealSegment(draft: SegmentDraft): SealedSegment {
  const { tenant, journal, head, records } = draft;
  const first = records[0];
  const last = records.at(-1);
  if (first === undefined || last === undefined || records.length > MAX_SEGMENT_RECORDS) {
    throw new LedgerError("SegmentInvalid", `a segment holds 1 to ${MAX_SEGMENT_RECORDS} records`);
  }
  const header = canonicalBytes({
    v: 1,
    tenant,
    journal,
    number: head.number,
    first: head.seq,
    count: records.length,
    previous: head.previous === undefined ? undefined : Buffer.from(head.previous).toString("base64url"),
    root: Buffer.from(treeHash(records.map(({ leaf }) => leaf))).toString("base64url"),
    opened: first.at,
    closed: last.at,
    pod: draft.pod,
    signer: draft.signer ?? journal,
    final: draft.final === true ? true : undefined,
  });
  parseSegmentHeader(header);
  return {
    number: head.number,
    first: head.seq,
    count: records.length,
    header,
    signature: signMessage("segment", header, draft.key),
    records: packRecords(records.map(({ bytes }) => bytes)),
    next: { number: head.number + 1, seq: head.seq + records.length, previous: sha256(header) },
  };
}
