import { crc32 } from "node:zlib";

/*
 * A frame: `u32be length ‖ u32be CRC ‖ u64be seq ‖ payload`. The CRC-32 is over seq and payload and starts from the journal's salt and the
 * length, so that a frame of another journal in a file used again is never taken for one of this journal.
 * A batch of records ends with a commit frame: the high bit of its length is set, its seq is that of the batch's last record,
 * its payload a marker and the number of records. What no commit frame follows was never acknowledged.
 */

export const FRAME_HEADER_BYTES = 16;
export const COMMIT_FRAME_BYTES = 28;
/** Far above any record with its private part; what claims more is not a frame. */
export const MAX_PAYLOAD_BYTES = 1 << 20;

const COMMIT_BIT = 0x8000_0000;
const COMMIT_LENGTH = COMMIT_FRAME_BYTES - FRAME_HEADER_BYTES;
const COMMIT_MARKER = Buffer.from("heCOMMIT", "latin1");
const TWO_32 = 0x1_0000_0000;

export interface Frame {
  kind: "Record" | "Commit";
  seq: number;
  /** Where its payload begins and where the frame ends, in the bytes it was read from. */
  start: number;
  end: number;
  /** In a commit frame: the number of records in its batch. */
  count: number;
}

/** `Short`: it would end behind `limit`. `Bad`: there is no frame here. */
export type FrameReading = Frame | "Short" | "Bad";

/** Makes the bytes at `offset` a frame, whose payload has already been written behind its header and ends at `end`. */
export function sealFrame(target: Buffer, offset: number, end: number, seq: number, salt: number): void {
  seal(target, offset, end, seq, salt, 0);
}

/** Writes a commit frame at `offset`; answers the offset behind it. */
export function writeCommit(target: Buffer, offset: number, seq: number, count: number, salt: number): number {
  const end = offset + COMMIT_FRAME_BYTES;
  target.set(COMMIT_MARKER, offset + FRAME_HEADER_BYTES);
  target.writeUInt32BE(count, end - 4);
  seal(target, offset, end, seq, salt, COMMIT_BIT);
  return end;
}

function seal(target: Buffer, offset: number, end: number, seq: number, salt: number, bit: number): void {
  const length = (end - offset - FRAME_HEADER_BYTES + bit) >>> 0;
  target.writeUInt32BE(length, offset);
  target.writeUInt32BE(Math.floor(seq / TWO_32), offset + 8);
  target.writeUInt32BE(seq % TWO_32, offset + 12);
  target.writeUInt32BE(checksum(target, offset, end, length, salt), offset + 4);
}

/** Reads the frame at `offset` of `bytes`, of which only those before `limit` count. */
export function readFrame(bytes: Buffer, offset: number, limit: number, salt: number): FrameReading {
  if (offset + FRAME_HEADER_BYTES > limit) return "Short";
  const length = bytes.readUInt32BE(offset);
  const isCommit = length >= COMMIT_BIT;
  const payload = isCommit ? length - COMMIT_BIT : length;
  if (payload === 0 || payload > MAX_PAYLOAD_BYTES || (isCommit && payload !== COMMIT_LENGTH)) return "Bad";
  const start = offset + FRAME_HEADER_BYTES;
  const end = start + payload;
  if (end > limit) return "Short";
  if (bytes.readUInt32BE(offset + 4) !== checksum(bytes, offset, end, length, salt)) return "Bad";
  const seq = bytes.readUInt32BE(offset + 8) * TWO_32 + bytes.readUInt32BE(offset + 12);
  return isCommit
    ? { kind: "Commit", seq, start, end, count: bytes.readUInt32BE(end - 4) }
    : { kind: "Record", seq, start, end, count: 1 };
}

/** The first good commit frame in `bytes` at or behind `offset`, wherever it begins; undefined where there is none. */
export function findCommit(bytes: Buffer, offset: number, salt: number): Frame | undefined {
  for (let at = offset; ; ) {
    const marker = bytes.indexOf(COMMIT_MARKER, at);
    if (marker < 0) return undefined;
    const begin = marker - FRAME_HEADER_BYTES;
    const frame = begin < offset ? "Bad" : readFrame(bytes, begin, bytes.length, salt);
    if (typeof frame === "object" && frame.kind === "Commit") return frame;
    at = marker + 1;
  }
}

function checksum(bytes: Buffer, offset: number, end: number, length: number, salt: number): number {
  return crc32(bytes.subarray(offset + 8, end), (salt ^ length) >>> 0);
}
