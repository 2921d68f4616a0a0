/**
 * - `StoreUnavailable`: no answer from the database, or it could not do it now (connection, timeout, shutdown, deadlock). Answer 503.
 * - `NotFound`, `AlreadyExists`: of the thing that the message names. Nothing was changed.
 * - `TransactionPooled`: the connection string leads to a pooler that hands out another connection for each transaction.
 * - `BadDatabaseUrl`: it is no PostgreSQL connection string.
 * - `Fenced`: a later term of office has begun; whoever holds this one writes no more.
 * - `SessionsFull`: the user has as many sessions as the tenant allows, and the tenant refuses more.
 */
export type StoreErrorCode =
  | "StoreUnavailable"
  | "NotFound"
  | "AlreadyExists"
  | "TransactionPooled"
  | "BadDatabaseUrl"
  | "Fenced"
  | "SessionsFull";

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** Of `AlreadyExists`: which value is taken. */
  readonly field: "name" | "login" | "email" | undefined;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions & { field?: "name" | "login" | "email" }) {
    super(message, options);
    this.name = "StoreError";
    this.code = code;
    this.field = options?.field;
  }
}

/** Did the database refuse the row because of this constraint or unique index? */
export function violates(error: unknown, constraint: string): boolean {
  return (error as { constraint?: unknown } | null)?.constraint === constraint;
}

/** The constraint or unique index by which the database refused a row because it has one like it; undefined for other errors. */
export function takenIn(error: unknown): string | undefined {
  const { code, constraint } = (error ?? {}) as { code?: unknown; constraint?: unknown };
  return code === "23505" ? String(constraint) : undefined;
}

// Appendix A of PostgreSQL's manual: admin_shutdown, crash_shutdown, cannot_connect_now, query_canceled (statement timeout),
// lock_not_available, idle_in_transaction_session_timeout, too_many_connections, read_only_sql_transaction (a standby after a
// failover), object_not_in_prerequisite_state (no WAL position on a standby), serialization_failure, deadlock_detected, out of disk, memory.
const UNAVAILABLE = /^(08...|57P0[1-5]|57014|55P03|25P03|53...|25006|55000|40001|40P01|58...)$/;
const DISCONNECTED = /^(E[A-Z]{3,}|EAI_AGAIN|ERR_STREAM_.*|ERR_SOCKET_.*)$/;
const DRIVER =
  /^(timeout exceeded when trying to connect|Connection terminated|Query read timeout|timeout expired|Client has encountered a connection error|Client was closed|Cannot use a pool after|The server does not support|Client network socket disconnected)/;

/** Errors that mean "the database does not answer" become `StoreUnavailable`; all others stay what they are. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof StoreError || !Error.isError(error)) return error;
  const { code } = error as { code?: unknown };
  const away =
    typeof code === "string" ? UNAVAILABLE.test(code) || DISCONNECTED.test(code) : DRIVER.test(error.message);
  return away ? new StoreError("StoreUnavailable", "the database does not answer", { cause: error }) : error;
}
