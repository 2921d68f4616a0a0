import { CallError, type StatusName } from "@heauth/protocol";
import { LedgerStoreError, type LedgerStoreErrorCode, StoreError } from "@heauth/store";

/** How long a sidecar is asked to wait before it comes back, ms. */
const RETRY_AFTER_MS = 250;

const ledgerStatus: Partial<Record<LedgerStoreErrorCode, StatusName>> = {
  JournalUnknown: "FAILED_PRECONDITION",
  JournalFinal: "FAILED_PRECONDITION",
  OutOfOrder: "FAILED_PRECONDITION",
  RegistrationRefused: "INVALID_ARGUMENT",
  SegmentRefused: "INVALID_ARGUMENT",
  Equivocation: "ALREADY_EXISTS",
};

/** What the store refused or could not do, as a call's answer; any other error stays what it is. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof StoreError && error.code === "StoreUnavailable") return unavailable(error);
  if (!(error instanceof LedgerStoreError)) return error;
  const status = ledgerStatus[error.code];
  return status === undefined ? error : new CallError(status, error.message, { cause: error });
}

export function unavailable(cause?: unknown): CallError {
  return new CallError("UNAVAILABLE", "the store can't be reached", { retryAfterMs: RETRY_AFTER_MS, cause });
}

export function overloaded(): CallError {
  return new CallError("RESOURCE_EXHAUSTED", "the hub has too much to do", { retryAfterMs: RETRY_AFTER_MS });
}

export function denied(what: string): CallError {
  return new CallError("PERMISSION_DENIED", `${what} is not the caller's`);
}

export function malformed(what: string): CallError {
  return new CallError("INVALID_ARGUMENT", what);
}
