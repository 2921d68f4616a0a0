import { packRecords, unpackPrivateParts, unpackRecords } from "../../record/pack.ts";
import { parseRecord } from "../../record/parse.ts";
import { parseSegmentHeader } from "../../segment.ts";
import type { StoredRow, StoredSegment } from "../../verify/source.ts";
import type { FindingClass, Place } from "../../verify/verdict.ts";
import type { StoredLedger } from "../memory-source.ts";
import type { Random } from "../random.ts";

/** What must be found, beside whatever follows from it. */
export type Expected = { readonly class: FindingClass; readonly place: Place };

/** One thing that somebody who can write the database can do, at a place by chance; undefined when there is no such place. */
export type Tampering = (ledger: StoredLedger, random: Random) => Expected | undefined;

type Kind = StoredRow["kind"];
type RowOf<K extends Kind> = Extract<StoredRow, { readonly kind: K }>;

/** A sealed row and its log index, by chance. */
export function pickRow<K extends Kind>(
  ledger: StoredLedger,
  random: Random,
  kind: K,
  fits: (row: RowOf<K>) => boolean = () => true,
): { readonly row: RowOf<K>; readonly index: number } | undefined {
  const rows: { readonly row: RowOf<K>; readonly index: number }[] = [];
  for (const { row, index } of ledger.entries) {
    if (row?.kind === kind && fits(row as RowOf<K>)) rows.push({ row: row as RowOf<K>, index });
  }
  return random.pick(rows);
}

/** Puts another row (or none) where the log tells of one. */
export function replaceRow(ledger: StoredLedger, index: number, row: StoredRow | undefined): void {
  ledger.entries = ledger.entries.map((entry) => (entry.index === index ? { ...entry, row } : entry));
}

/** The bytes with one bit changed. */
export function flipped(bytes: Uint8Array, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  copy.writeUInt8(copy.readUInt8(at) ^ (1 << random.below(8)), at);
  return copy;
}

/** A record of a sealed segment that has at least `atLeast` records. */
export type RecordSpot = {
  readonly row: StoredSegment;
  readonly index: number;
  readonly records: readonly Buffer[];
  readonly position: number;
  readonly bytes: Buffer;
  readonly place: { readonly index: number; readonly journal: string; readonly number: number; readonly seq: number };
  readonly put: (records: readonly Uint8Array[]) => void;
};

export function pickRecord(ledger: StoredLedger, random: Random, atLeast = 1): RecordSpot | undefined {
  const picked = pickRow(ledger, random, "segment", ({ records }) => unpackRecords(records).length >= atLeast);
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  const records = unpackRecords(row.records);
  const position = random.below(records.length);
  const bytes = records[position];
  if (bytes === undefined) return undefined;
  const seq = parseSegmentHeader(row.header).first + position;
  return {
    row,
    index,
    records,
    position,
    bytes,
    place: { index, journal: row.journal, number: row.number, seq },
    put: (changed) => replaceRow(ledger, index, { ...row, records: packRecords(changed) }),
  };
}

/** A private part of a sealed segment's record. */
export type PrivateSpot = {
  readonly packed: Uint8Array;
  readonly position: number;
  readonly place: Place;
  readonly put: (packed: Uint8Array | undefined) => void;
};

export function pickPrivatePart(ledger: StoredLedger, random: Random): PrivateSpot | undefined {
  // What belongs to an erased session may be absent.
  const erased = erasedSessions(ledger);
  const partsOf = (row: StoredSegment) =>
    row.sessions.filter((part) => (part.private?.length ?? 0) > 0 && !erased.has(part.session ?? ""));
  const picked = pickRow(ledger, random, "segment", (row) => partsOf(row).length > 0);
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  const part = random.pick(partsOf(row));
  if (part?.private === undefined) return undefined;
  const stored = random.pick(unpackPrivateParts(part.private));
  if (stored === undefined) return undefined;
  const seq = parseSegmentHeader(row.header).first + stored.index;
  const session = part.session === undefined ? {} : { session: part.session };
  return {
    packed: part.private,
    position: stored.index,
    place: { index, journal: row.journal, number: row.number, seq, ...session },
    put: (packed) => {
      const sessions = row.sessions.map((other) => (other === part ? { ...part, private: packed } : other));
      replaceRow(ledger, index, { ...row, sessions });
    },
  };
}

function erasedSessions(ledger: StoredLedger): ReadonlySet<string> {
  const segments = ledger.entries.flatMap(({ row }) => (row?.kind === "segment" ? [row] : []));
  const records = segments.flatMap(({ records: packed }) => unpackRecords(packed).map(parseRecord));
  return new Set(records.flatMap(({ erased }) => erased?.sessions ?? []));
}
