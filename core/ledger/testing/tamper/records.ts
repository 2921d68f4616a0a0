import { leafHash } from "../../hash.ts";
import { packPrivateParts, packRecords, unpackPrivateParts } from "../../record/pack.ts";
import { parseSegmentHeader } from "../../segment.ts";
import { flipped, pickPrivatePart, pickRecord, pickRow, replaceRow, type Tampering } from "./spots.ts";

const editRecord: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  spot?.put(spot.records.with(spot.position, flipped(spot.bytes, random)));
  return spot && { class: "RecordAltered", place: spot.place };
};

/** The record stays well-formed and keeps its id: only its time changes. */
const editRecordDeftly: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  if (spot === undefined) return undefined;
  const text = spot.bytes.toString().replace(/"at":(\d+)(\d)/, (_, time, digit) => `"at":${time}${9 - digit}`);
  spot.put(spot.records.with(spot.position, Buffer.from(text)));
  return { class: "RecordAltered", place: spot.place };
};

/** The session rows' leaves are changed with the record, so that only the segment can be named. */
const editRecordAndIndex: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  if (spot === undefined) return undefined;
  const changed = Buffer.from(spot.bytes.toString().replace(/"at":1/, '"at":2'));
  const sessions = spot.row.sessions.map((part) => {
    const nth = part.positions.indexOf(spot.position);
    if (nth < 0) return part;
    const leaves = Buffer.from(part.leaves);
    leafHash(changed).copy(leaves, nth * 32);
    return { ...part, leaves };
  });
  const records = packRecords(spot.records.with(spot.position, changed));
  replaceRow(ledger, spot.index, { ...spot.row, records, sessions });
  const { index, journal, number } = spot.place;
  return { class: "RecordAltered", place: { index, journal, number } };
};

const deleteRecord: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  spot?.put(spot.records.toSpliced(spot.position, 1));
  return spot && { class: "NumberGap", place: spot.place };
};

const doubleRecord: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  spot?.put(spot.records.toSpliced(spot.position, 0, spot.bytes));
  return spot && { class: "Duplicate", place: spot.place };
};

/** Another segment's record is put in. */
const insertRecord: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  const other = pickRecord(ledger, random);
  if (spot === undefined || other === undefined || other.index === spot.index) return undefined;
  spot.put(spot.records.toSpliced(spot.position, 0, other.bytes));
  const { index, journal, number } = spot.place;
  return { class: "RecordMisplaced", place: { index, journal, number } };
};

/** A second record with an id that is taken. */
const forgeSameId: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random);
  if (spot === undefined) return undefined;
  const forged = Buffer.from(spot.bytes.toString().replace(/"at":1/, '"at":2'));
  spot.put(spot.records.toSpliced(spot.position + 1, 0, forged));
  return { class: "Equivocation", place: spot.place };
};

const reorderRecords: Tampering = (ledger, random) => {
  const spot = pickRecord(ledger, random, 2);
  if (spot === undefined) return undefined;
  const moved = Math.max(1, spot.position);
  const before = spot.records[moved - 1];
  const after = spot.records[moved];
  if (before === undefined || after === undefined) return undefined;
  spot.put(spot.records.with(moved - 1, after).with(moved, before));
  const { index, journal, number } = spot.place;
  return { class: "Reordered", place: { index, journal, number, seq: spot.place.seq - spot.position + moved - 1 } };
};

const tearRecords: Tampering = (ledger, random) => {
  const picked = pickRow(ledger, random, "segment");
  if (picked === undefined) return undefined;
  const { row, index } = picked;
  replaceRow(ledger, index, { ...row, records: row.records.slice(0, -1) });
  const place = { index, journal: row.journal, number: row.number, seq: parseSegmentHeader(row.header).first };
  return { class: "RecordAltered", place };
};

const editPrivatePart: Tampering = (ledger, random) => {
  const spot = pickPrivatePart(ledger, random);
  if (spot === undefined) return undefined;
  const parts = unpackPrivateParts(spot.packed).map((part) =>
    part.index === spot.position ? { ...part, salted: flipped(part.salted, random) } : part,
  );
  spot.put(packPrivateParts(parts));
  return { class: "PrivatePartAltered", place: spot.place };
};

const dropPrivatePart: Tampering = (ledger, random) => {
  const spot = pickPrivatePart(ledger, random);
  spot?.put(packPrivateParts(unpackPrivateParts(spot.packed).filter(({ index }) => index !== spot.position)));
  return spot && { class: "PrivatePartMissing", place: spot.place };
};

/** As an erasure would, but no record tells of it. */
const nullPrivateParts: Tampering = (ledger, random) => {
  const spot = pickPrivatePart(ledger, random);
  if (spot === undefined) return undefined;
  spot.put(undefined);
  const { seq: _, ...place } = spot.place;
  return { class: "PrivatePartMissing", place };
};

const movePrivatePart: Tampering = (ledger, random) => {
  const spot = pickPrivatePart(ledger, random);
  const other = pickPrivatePart(ledger, random);
  if (spot === undefined || other === undefined || other.place.index === spot.place.index) return undefined;
  const foreign = unpackPrivateParts(other.packed).find(({ index }) => index === other.position)?.salted;
  if (foreign === undefined) return undefined;
  const parts = unpackPrivateParts(spot.packed).map((part) =>
    part.index === spot.position ? { ...part, salted: foreign } : part,
  );
  spot.put(packPrivateParts(parts));
  return { class: "PrivatePartAltered", place: spot.place };
};

/** What can be done to records and private parts. */
export const recordTamperings: Readonly<Record<string, Tampering>> = {
  editRecord,
  editRecordDeftly,
  editRecordAndIndex,
  deleteRecord,
  doubleRecord,
  insertRecord,
  forgeSameId,
  reorderRecords,
  tearRecords,
  editPrivatePart,
  dropPrivatePart,
  nullPrivateParts,
  movePrivatePart,
};
