/** A record as the write-ahead log keeps it until the hub has committed it. */
export interface StoredRecord {
  /** The record's canonical bytes. */
  record: Uint8Array;
  /** Its private part: salt ‖ bytes. */
  private?: Uint8Array | undefined;
  /** It was let through before it was durable: others after it may be missing without anybody having noticed. */
  bestEffort?: boolean | undefined;
}

/** A stored record at its place in the journal. */
export interface SequencedRecord extends StoredRecord {
  seq: number;
}

const PREFIX_BYTES = 5;
const HAS_PRIVATE = 1;
const BEST_EFFORT = 2;

/** Bytes that the record takes as a frame's payload. */
export function storedSize({ record, private: part }: StoredRecord): number {
  return PREFIX_BYTES + record.length + (part?.length ?? 0);
}

/**
 * Writes `flags (1) ‖ u32be record length ‖ record ‖ [salt ‖ private bytes]` into `target` at `offset`, where there must be room
 * for it; answers the offset behind it.
 */
export function encodeStoredRecord(target: Buffer, offset: number, stored: StoredRecord): number {
  const { record, private: part } = stored;
  target[offset] = (part === undefined ? 0 : HAS_PRIVATE) | (stored.bestEffort === true ? BEST_EFFORT : 0);
  target.writeUInt32BE(record.length, offset + 1);
  const recordEnd = offset + PREFIX_BYTES + record.length;
  target.set(record, offset + PREFIX_BYTES);
  if (part === undefined) return recordEnd;
  target.set(part, recordEnd);
  return recordEnd + part.length;
}

/** The reverse of `encodeStoredRecord`; what it answers are views of `payload`. Throws a RangeError on what it never wrote. */
export function decodeStoredRecord(payload: Buffer): StoredRecord {
  const recordEnd = payload.length < PREFIX_BYTES ? Number.POSITIVE_INFINITY : PREFIX_BYTES + payload.readUInt32BE(1);
  if (recordEnd > payload.length) throw new RangeError("a stored record is cut short");
  const flags = payload.readUInt8(0);
  return {
    record: payload.subarray(PREFIX_BYTES, recordEnd),
    private: (flags & HAS_PRIVATE) === 0 ? undefined : payload.subarray(recordEnd),
    bestEffort: (flags & BEST_EFFORT) !== 0,
  };
}
