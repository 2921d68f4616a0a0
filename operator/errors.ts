export type OperatorErrorCode =
  | "TenantNameInvalid"
  /** The folder of resources is not there, or may not be read. */
  | "FolderUnreadable"
  /** A webhook did not take a message: a status other than 2xx, a redirect, no answer in time. */
  | "DeliveryFailed"
  /** A secret that a resource refers to is not there, or can't be used. */
  | "SecretMissing"
  | "SecretInvalid"
  /** The API server can't be asked for an anchor, and it never was known. */
  | "AnchorUnavailable"
  /** The API server does not take an anchor. */
  | "AnchorRefused"
  /** What was sent to the webhook is no question of an API server's. */
  | "ReviewUnreadable"
  /** The Secret of the hub's certificate, which somebody else looks after, does not say whom to trust. */
  | "HubAuthorityUnknown"
  /** An AuthPolicy in the cluster does not say whom it selects in a way that we know. */
  | "PolicyUnreadable";

/** What this package throws. Messages name the thing at fault, never a secret's value or a person. */
export class OperatorError extends Error {
  readonly code: OperatorErrorCode;

  constructor(code: OperatorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "OperatorError";
    this.code = code;
  }
}
