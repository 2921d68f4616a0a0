export type OperatorErrorCode =
  | "TenantNameInvalid"
  /** The folder of resources is not there, or may not be read. */
  | "FolderUnreadable"
  /** A webhook did not take a message: a status other than 2xx, a redirect, no answer in time. */
  | "DeliveryFailed"
  /** A secret that a resource refers to is not there, or can't be used. */
  | "SecretMissing"
  | "SecretInvalid"
  /** What was sent to the webhook is no question of an API server's. */
  | "ReviewUnreadable";

/** What this package throws. Messages name the thing at fault, never a secret's value or a person. */
export class OperatorError extends Error {
  readonly code: OperatorErrorCode;

  constructor(code: OperatorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "OperatorError";
    this.code = code;
  }
}
