import type { WalHandle } from "./file-operations.ts";
import {
  COMMIT_FRAME_BYTES,
  FRAME_HEADER_BYTES,
  type Frame,
  findCommit,
  MAX_PAYLOAD_BYTES,
  readFrame,
} from "./frame.ts";
import { HEADER_BYTES } from "./header.ts";
import { decodeStoredRecord } from "./stored-record.ts";

/** What a file of an ended process holds. */
export interface ScannedFile {
  /** Offset behind its last good batch. */
  end: number;
  /** Seq behind the last record of its last good batch. */
  next: number;
  /** The last record's bytes, where there is one. */
  last: Uint8Array | undefined;
  /** One of its records was let through before it was durable. */
  bestEffort: boolean;
  /** Seq behind the newest record that a good commit frame names, further on than `end`: what lies between is corrupt. */
  beyond: number | undefined;
}

/** More than the largest frame. */
const CHUNK_BYTES = 2 * (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES);

/**
 * Reads a file from its first frame (whose record must be `first`) to the last of its good batches. What follows that batch was
 * never acknowledged, unless a good commit frame comes later (`beyond`).
 */
export async function scanFile(handle: WalHandle, size: number, first: number, salt: number): Promise<ScannedFile> {
  const batches = new BatchScan(first, salt);
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let offset = HEADER_BYTES;
  for (;;) {
    const length = await handle.read(chunk, offset);
    const read = batches.take(chunk.subarray(0, length), offset);
    offset += read;
    if (batches.isOver || read === 0) break;
  }
  const { end, next, last, bestEffort } = batches;
  return { end, next, last, bestEffort, beyond: await findBeyond(handle, chunk, { end, size, next, salt }) };
}

/** Follows the frames of a file; only whole batches count. */
class BatchScan {
  end = HEADER_BYTES;
  next: number;
  last: Uint8Array | undefined;
  bestEffort = false;
  isOver = false;
  readonly #salt: number;
  #expected: number;
  #open: Uint8Array | undefined;
  #openBestEffort = false;

  constructor(first: number, salt: number) {
    this.next = first;
    this.#expected = first;
    this.#salt = salt;
  }

  /** Takes the bytes that are at `at` in the file; answers how many of them were whole frames. */
  take(bytes: Buffer, at: number): number {
    let offset = 0;
    while (!this.isOver) {
      const frame = readFrame(bytes, offset, bytes.length, this.#salt);
      if (frame === "Short") break;
      if (frame === "Bad" || !this.#follows(frame)) this.isOver = true;
      else {
        this.#add(frame, bytes, at);
        offset = frame.end;
      }
    }
    return offset;
  }

  #follows(frame: Frame): boolean {
    if (frame.kind === "Record") return frame.seq === this.#expected;
    return frame.seq === this.#expected - 1 && frame.count === this.#expected - this.next;
  }

  #add(frame: Frame, bytes: Buffer, at: number): void {
    if (frame.kind === "Record") {
      const { record, bestEffort } = decodeStoredRecord(bytes.subarray(frame.start, frame.end));
      this.#open = record;
      this.#openBestEffort ||= bestEffort === true;
      this.#expected++;
      return;
    }
    this.end = at + frame.end;
    this.next = this.#expected;
    this.last = this.#open === undefined ? this.last : Buffer.from(this.#open);
    this.bestEffort ||= this.#openBestEffort;
    this.#open = undefined;
  }
}

/** Looks for a good commit frame of the journal behind the good batches; older ones are what a file used again held before. */
async function findBeyond(
  handle: WalHandle,
  chunk: Buffer,
  { end, size, next, salt }: { end: number; size: number; next: number; salt: number },
): Promise<number | undefined> {
  let beyond: number | undefined;
  for (let offset = end; offset < size; offset += chunk.length - COMMIT_FRAME_BYTES) {
    const length = await handle.read(chunk, offset);
    const bytes = chunk.subarray(0, length);
    for (let frame = findCommit(bytes, 0, salt); frame !== undefined; frame = findCommit(bytes, frame.end, salt)) {
      if (frame.seq >= next) beyond = Math.max(beyond ?? 0, frame.seq + 1);
    }
    if (length < chunk.length) break;
  }
  return beyond;
}
