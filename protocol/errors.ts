import { Metadata, type StatusObject, status } from "@grpc/grpc-js";

export type StatusName = keyof typeof status;

/** Trailer that says after how many milliseconds trying again makes sense. */
export const RETRY_AFTER_TRAILER = "heauth-retry-after-ms";

/** A call that ended with a status other than OK; `code` is gRPC's name of it, the message is safe to send. */
export class CallError extends Error {
  readonly code: StatusName;
  /** Present where waiting helps. */
  readonly retryAfterMs: number | undefined;

  constructor(code: StatusName, message: string, options: ErrorOptions & { retryAfterMs?: number | undefined } = {}) {
    super(message, options);
    this.name = "CallError";
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** What a failed call is answered with. Anything but a `CallError` is an INTERNAL without a word of its own. */
export function toStatus(error: unknown): StatusObject {
  const metadata = new Metadata();
  if (!(error instanceof CallError)) return { code: status.INTERNAL, details: "internal error", metadata };
  if (error.retryAfterMs !== undefined) metadata.set(RETRY_AFTER_TRAILER, String(Math.ceil(error.retryAfterMs)));
  return { code: status[error.code], details: error.message, metadata };
}

/** The error of a call or of a stream, as @grpc/grpc-js reports it. */
export function fromStatus(error: Error): CallError {
  const { code = status.UNKNOWN, details = error.message, metadata }: Partial<StatusObject> & Error = error;
  const name = status[code] as StatusName | undefined;
  const [after] = metadata?.get(RETRY_AFTER_TRAILER) ?? [];
  const retryAfterMs = typeof after === "string" && /^\d{1,6}$/.test(after) ? Number(after) : undefined;
  return new CallError(name ?? "UNKNOWN", details, { retryAfterMs, cause: error });
}
