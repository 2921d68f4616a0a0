import type { Clock, Logger } from "@heauth/program";
import { SidecarError } from "../errors.ts";
import type { FileOperations } from "../wal/file-operations.ts";
import type { HubJournals } from "./hub-journals.ts";
import type { JournalMetrics } from "./journal-metrics.ts";

/** Whose records a journal holds, as the hub says. */
export interface JournalOwner {
  /** The tenant's id. */
  tenant: string;
  /** `<namespace>/<pod>`. */
  pod: string;
  /** Id of the hub's program key, which countersigns. */
  registrar: string;
}

/** Bytes and times that a journal keeps to. */
export interface JournalLimits {
  /** Of each file of the write-ahead log, in bytes. */
  fileSize: number;
  /** Bytes of the disk for all of them. */
  quota: number;
  /** Bytes that may wait in memory. */
  maxWaiting: number;
  /** How long a writer waits for its record, in ms; below the caller's own timeout. */
  waitMs: number;
  /** After how long a write that has not returned counts as a failed disk, in ms. */
  hangMs: number;
  /** With a failed disk: how long the hub may commit nothing before the journal has failed, in ms. */
  directMs: number;
  /** Sessions that one journal remembers; then another journal is begun. */
  maxSessions: number;
}

const MiB = 1024 * 1024;

export const defaultLimits: JournalLimits = {
  fileSize: 64 * MiB,
  quota: 1024 * MiB,
  maxWaiting: 8 * MiB,
  waitMs: 1000,
  hangMs: 5000,
  directMs: 10_000,
  maxSessions: 200_000,
};

export interface JournalOptions {
  /** The write-ahead log's folder; made where it is missing. */
  folder: string;
  hub: HubJournals;
  clock: Pick<Clock, "wallMicros">;
  log: Pick<Logger, "info" | "warn" | "error">;
  metrics: JournalMetrics;
  limits?: Partial<JournalLimits>;
  /** Told once when neither disk nor hub takes records any more: the process must not be ready, and must end. */
  onFailed: (error: Error) => void;
  files?: FileOperations;
}

const SMALLEST_FILE = MiB / 4;

/** All limits, checked; throws WalMisconfigured. */
export function completeLimits(some: Partial<JournalLimits> = {}): JournalLimits {
  const limits = { ...defaultLimits, ...some };
  if (limits.fileSize < SMALLEST_FILE) {
    throw new SidecarError("WalMisconfigured", `a file of the write-ahead log has at least ${SMALLEST_FILE} bytes`);
  }
  // A batch holds what waits, and goes into one file.
  return { ...limits, maxWaiting: Math.min(limits.maxWaiting, limits.fileSize / 2) };
}
