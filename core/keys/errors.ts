/** What can be wrong with a key file. Stable: callers may branch on it. */
export type KeyErrorCode = "KeyFileInvalid" | "ServerSecretUnknown";

/** The only error this folder throws. The message names what is wrong, never a key. */
export class KeyError extends Error {
  readonly code: KeyErrorCode;

  constructor(code: KeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KeyError";
    this.code = code;
  }
}
