import { SidecarError } from "../errors.ts";
import { fillLevel } from "../wal/quota.ts";

/** What decides whether a journal can take a record now. */
export interface JournalLoad {
  /** Bytes of the disk that hold what the hub has not committed, and how many of them there may be. */
  used: number;
  quota: number;
  /** Bytes that wait in memory, and how many of them there may be. */
  waiting: number;
  maxWaiting: number;
  /** Bytes left in the current file, and whether another one is ready or coming; undefined without a disk. */
  disk: { room: number; isAhead: boolean } | undefined;
}

/** Bytes of the last file that the disk had room for which are kept for control records. */
const RESERVE_BYTES = 16 * 1024;

/** Throws JournalOverloaded or WalFull where a record must be refused before it takes a place in the journal. */
export function admit({ used, quota, waiting, maxWaiting, disk }: JournalLoad): void {
  if (waiting >= maxWaiting) throw new SidecarError("JournalOverloaded", "too many bytes wait to become durable");
  if (disk === undefined) return;
  if (fillLevel(used, quota) === "Deny") throw new SidecarError("WalFull", "the write-ahead log's quota is used up");
  if (disk.room < RESERVE_BYTES && !disk.isAhead) throw new SidecarError("WalFull", "the disk has no room");
}
