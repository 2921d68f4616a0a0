/** What can go wrong in a sidecar, stable: callers and metrics go by it. */
export type SidecarErrorCode =
  /** The journal takes no record yet: it is not registered at the hub. */
  | "JournalNotOpen"
  /** The journal takes no record any more: it is stopping, or has stopped. */
  | "JournalStopped"
  /** Too many bytes wait for the disk, or for the hub. */
  | "JournalOverloaded"
  /** The record was not durable in time. It may still become so later. */
  | "JournalTimeout"
  /** Neither the disk nor the hub takes records: the process must end. */
  | "JournalFailed"
  /** The write-ahead log's quota, or its disk, is used up. */
  | "WalFull"
  /** A write-ahead log's file failed; it is never written again. */
  | "WalFailed"
  /** What is read from a write-ahead log is not what was written. */
  | "WalCorrupt"
  /** Another process holds the write-ahead log's folder. */
  | "WalLocked"
  /** Sizes or limits that cannot work. */
  | "WalMisconfigured";

/** Every error that a sidecar's own code throws; its message holds no secret and no personal data. */
export class SidecarError extends Error {
  override readonly name = "SidecarError";
  readonly code: SidecarErrorCode;

  constructor(code: SidecarErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
