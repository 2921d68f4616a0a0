export type ProgramErrorCode =
  | "InvalidConfig"
  | "StartFailed"
  | "StopFailed"
  | "ChildFailed"
  | "DeadlineExceeded"
  | "InvalidMetric";

/** What went wrong in running a program; `code` is stable, the message is for people. */
export class ProgramError extends Error {
  readonly code: ProgramErrorCode;

  constructor(code: ProgramErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ProgramError";
    this.code = code;
  }
}

/** Anything that was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return Error.isError(thrown) ? thrown : new Error(String(thrown));
}
