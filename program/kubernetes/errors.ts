export type ClusterErrorCode =
  | "NoCluster"
  | "KubeconfigInvalid"
  | "Unreachable"
  | "Timeout"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "AlreadyExists"
  | "Conflict"
  | "Gone"
  | "Invalid"
  | "TooManyRequests"
  | "ServerError";

export interface ClusterErrorOptions extends ErrorOptions {
  status?: number | undefined;
  retryAfterMs?: number | undefined;
}

/** What went wrong between us and the API server; `code` is stable, the message is the server's own where it gave one. */
export class ClusterError extends Error {
  readonly code: ClusterErrorCode;
  /** HTTP status, where the server answered. */
  readonly status: number | undefined;
  /** How long the server asks us to stay away. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ClusterErrorCode, message: string, options: ClusterErrorOptions = {}) {
    super(message, options);
    this.name = "ClusterError";
    this.code = code;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Whether something thrown is a ClusterError of one of these codes. */
export function isClusterError(thrown: unknown, ...codes: ClusterErrorCode[]): thrown is ClusterError {
  return thrown instanceof ClusterError && (codes.length === 0 || codes.includes(thrown.code));
}
