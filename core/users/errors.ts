export type UsersErrorCode = "PasswordUnusable";

/** The only error this folder throws; everything a person can get wrong is a result value instead. */
export class UsersError extends Error {
  readonly code: UsersErrorCode;

  constructor(code: UsersErrorCode, message: string) {
    super(message);
    this.name = "UsersError";
    this.code = code;
  }
}
