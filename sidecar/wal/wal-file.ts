import type { WalHandle } from "./file-operations.ts";
import { HEADER_BYTES, type WalHeader } from "./header.ts";

/** An open file of the write-ahead log and how far it holds committed batches. */
export interface WalFile {
  readonly path: string;
  readonly handle: WalHandle;
  readonly header: WalHeader;
  /** Bytes that it takes on the disk. */
  readonly size: number;
  /** Offset behind its last committed batch. */
  end: number;
  /** Seq behind its last committed record. */
  next: number;
}

/** A file that holds nothing yet but its header. */
export function emptyWalFile(path: string, handle: WalHandle, header: WalHeader, size: number): WalFile {
  return { path, handle, header, size, end: HEADER_BYTES, next: header.first };
}
