export type CliErrorCode = "InvalidOption" | "NothingToRecover" | "NotReady" | "KeyFile";

/** What ends a command with one line and exit code 2: the person at the terminal can mend it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;

  constructor(code: CliErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
