export type PartErrorCode = "NotSupported" | "EnvoyMissing" | "EnvoyFailed";

/** Why a part that standalone runs beside its programs cannot start. `code` is stable. */
export class PartError extends Error {
  readonly code: PartErrorCode;

  constructor(code: PartErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PartError";
    this.code = code;
  }
}
