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
  | "WalMisconfigured"
  /** The hub cannot be reached, or has no time: the same request is worth repeating. */
  | "HubUnavailable"
  /** The hub will not take it, however often it is asked. */
  | "HubRefused"
  /** The hub holds something else under the same key: an alarm. */
  | "HubEquivocation"
  /** Records are on a disk that goes away. */
  | "RecordsLeft"
  /** A template of Envoy's asks for something that nobody gives. */
  | "EnvoyTemplate"
  /** Envoy's admin interface does not answer as it should. */
  | "EnvoyAdmin"
  /** The pod's inbound connections are not redirected. */
  | "RedirectFailed"
  /** Too long for a unix socket. */
  | "PathTooLong";

export interface SidecarErrorOptions extends ErrorOptions {
  /** How long the hub wants to be left alone, in ms (HubUnavailable). */
  retryAfterMs?: number | undefined;
}

/** Every error that a sidecar's own code throws; its message holds no secret and no personal data. */
export class SidecarError extends Error {
  override readonly name = "SidecarError";
  readonly code: SidecarErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: SidecarErrorCode, message: string, options?: SidecarErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}
