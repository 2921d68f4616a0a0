import { LedgerError } from "../errors.ts";
import { MAX_RECORD_BYTES } from "./limit.ts";
import { SALT_BYTES } from "./salt.ts";

const LENGTH_BYTES = 4;
const PART_HEAD_BYTES = 8;

/** A private part in its segment: the record's index, and salt ‖ private bytes. */
export type PackedPart = { readonly index: number; readonly salted: Uint8Array };

function view(packed: Uint8Array): Buffer {
  return Buffer.from(packed.buffer, packed.byteOffset, packed.length);
}

/** For each record in order: `u32be length ‖ record bytes`. */
export function packRecords(records: Iterable<Uint8Array>): Buffer {
  const parts: Uint8Array[] = [];
  for (const bytes of records) {
    const length = Buffer.allocUnsafe(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}

/**
 * The records' bytes, as views into the packed ones.
 * @throws LedgerError PackedInvalid when lengths and bytes disagree, or a record is longer than one can be
 */
export function unpackRecords(packed: Uint8Array): Buffer[] {
  const from = view(packed);
  const records: Buffer[] = [];
  let at = 0;
  while (at < from.length) {
    if (from.length - at < LENGTH_BYTES) throw new LedgerError("PackedInvalid", "a length is torn");
    const length = from.readUInt32BE(at);
    at += LENGTH_BYTES;
    if (length > MAX_RECORD_BYTES || length > from.length - at) {
      throw new LedgerError("PackedInvalid", "a record's length is out of bounds");
    }
    records.push(from.subarray(at, at + length));
    at += length;
  }
  return records;
}

/** For each part: `u32be index ‖ u32be length ‖ salt ‖ private bytes`; the length counts salt and bytes. */
export function packPrivateParts(parts: Iterable<PackedPart>): Buffer {
  const pieces: Uint8Array[] = [];
  for (const { index, salted } of parts) {
    const head = Buffer.allocUnsafe(PART_HEAD_BYTES);
    head.writeUInt32BE(index, 0);
    head.writeUInt32BE(salted.length, 4);
    pieces.push(head, salted);
  }
  return Buffer.concat(pieces);
}

/**
 * The private parts, as views into the packed ones; indexes ascend.
 * @throws LedgerError PackedInvalid
 */
export function unpackPrivateParts(packed: Uint8Array): PackedPart[] {
  const from = view(packed);
  const parts: PackedPart[] = [];
  let at = 0;
  let before = -1;
  while (at < from.length) {
    if (from.length - at < PART_HEAD_BYTES) throw new LedgerError("PackedInvalid", "a private part's head is torn");
    const index = from.readUInt32BE(at);
    const length = from.readUInt32BE(at + 4);
    at += PART_HEAD_BYTES;
    if (index <= before) throw new LedgerError("PackedInvalid", "private parts out of order");
    if (length < SALT_BYTES || length > SALT_BYTES + MAX_RECORD_BYTES || length > from.length - at) {
      throw new LedgerError("PackedInvalid", "a private part's length is out of bounds");
    }
    parts.push({ index, salted: from.subarray(at, at + length) });
    before = index;
    at += length;
  }
  return parts;
}
