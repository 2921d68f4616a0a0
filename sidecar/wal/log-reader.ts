import { SidecarError } from "../errors.ts";
import { FRAME_HEADER_BYTES, MAX_PAYLOAD_BYTES, readFrame } from "./frame.ts";
import { HEADER_BYTES } from "./header.ts";
import { decodeStoredRecord, type SequencedRecord } from "./stored-record.ts";
import type { WalFile } from "./wal-file.ts";

/** Enough for the largest frame. */
const CHUNK_BYTES = FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES;

/** Reads a journal's committed records in order, also while more are being written. */
export class LogReader {
  readonly #files: () => readonly WalFile[];
  #number = 0;
  #offset = HEADER_BYTES;
  #next: number;

  /** `files` answers the journal's files as they are now, oldest first; reading begins with the first one at or behind `from`. */
  constructor(files: () => readonly WalFile[], from = 0) {
    this.#files = files;
    this.#next = from;
  }

  /** Seq of the record that `read` answers next. */
  get next(): number {
    return this.#next;
  }

  /** The next records, at most 1 MiB of them; none where all committed ones have been read. Throws WalCorrupt. */
  async read(mostRecords: number): Promise<SequencedRecord[]> {
    const records: SequencedRecord[] = [];
    while (records.length === 0) {
      const file = this.#file();
      if (file === undefined) break;
      const chunk = await this.#chunk(file);
      this.#parse(chunk, file, mostRecords, records);
    }
    return records;
  }

  /** The file to read from: the one that holds `next`, unless it has been read to its end. */
  #file(): WalFile | undefined {
    const file = this.#files().find(({ next }) => next > this.#next);
    if (file === undefined) return undefined;
    if (file.header.first > this.#next)
      throw new SidecarError("WalCorrupt", "records before those of a file are missing");
    if (file.header.number !== this.#number) {
      this.#number = file.header.number;
      this.#offset = HEADER_BYTES;
    }
    return file;
  }

  async #chunk(file: WalFile): Promise<Buffer> {
    const chunk = Buffer.allocUnsafeSlow(Math.max(0, Math.min(file.end - this.#offset, CHUNK_BYTES)));
    const length = await file.handle.read(chunk, this.#offset);
    if (length === 0 || length < chunk.length)
      throw new SidecarError("WalCorrupt", "a file is shorter than what was written into it");
    return chunk;
  }

  #parse(chunk: Buffer, file: WalFile, mostRecords: number, records: SequencedRecord[]): void {
    let offset = 0;
    while (offset < chunk.length && records.length < mostRecords) {
      const frame = readFrame(chunk, offset, chunk.length, file.header.salt);
      if (frame === "Short" && offset > 0) break;
      if (typeof frame === "string") throw new SidecarError("WalCorrupt", "a committed frame cannot be read");
      if (frame.kind === "Record" && frame.seq >= this.#next) {
        if (frame.seq !== this.#next) throw new SidecarError("WalCorrupt", "committed records are out of order");
        records.push({ seq: frame.seq, ...decodeStoredRecord(chunk.subarray(frame.start, frame.end)) });
        this.#next++;
      }
      offset = frame.end;
    }
    this.#offset += offset;
  }
}
