/** `NoBinaries`: no PostgreSQL for this platform. `NoAccount`: running as root without an account that PostgreSQL may run as.
 * `InUse`: another live process runs this cluster. `InitFailed`, `StartFailed`: PostgreSQL said no; the message has its last words.
 * `BadCache`: the cache folder of the binaries is writable by others. */
export type EmbeddedErrorCode = "NoBinaries" | "NoAccount" | "InUse" | "InitFailed" | "StartFailed" | "BadCache";

export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedErrorCode;

  constructor(code: EmbeddedErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EmbeddedPostgresError";
    this.code = code;
  }
}
