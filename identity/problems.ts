import { type Problem, type ProblemEntry, problem } from "@heauth/program";

interface ProblemKind {
  readonly status: 400 | 401 | 403 | 404 | 409 | 413 | 415 | 429 | 500 | 503;
  readonly title: string;
}

const table = {
  // The request
  InvalidRequest: { status: 400, title: "The request is not as it must be." },
  InvalidRequestId: { status: 400, title: "X-Request-Id must be 1 to 128 printable ASCII characters, once." },
  RequestIdMissing: { status: 400, title: "X-Request-Id is required here." },
  TenantRequired: { status: 400, title: "There is more than one tenant: name one." },
  MalformedCredential: { status: 400, title: "The credential can't be read." },
  DuplicateCredential: { status: 400, title: "More than one credential was sent." },
  OversizeCredential: { status: 400, title: "The credential is too long." },
  TokenRefused: { status: 400, title: "The token is not one of an open session." },
  PasswordRefused: { status: 400, title: "The password can't be used." },
  NotFound: { status: 404, title: "There is no such page." },
  BodyTooLarge: { status: 413, title: "The body is longer than 64 KiB." },
  UnsupportedMediaType: { status: 415, title: "The body must be application/json." },

  // The caller
  Unauthenticated: { status: 401, title: "A valid session is needed." },
  LoginFailed: { status: 401, title: "Login and password do not fit." },
  RefreshRefused: { status: 401, title: "The refresh token is not valid. Log in again." },
  Forbidden: { status: 403, title: "The session may not do this." },
  CrossSite: { status: 403, title: "A change with a cookie must come from the same origin." },
  RegistrationClosed: { status: 403, title: "Tenants can't be registered here." },
  TooManyAttempts: { status: 429, title: "Too many failed logins. Wait before the next." },

  // What is there
  TenantNotFound: { status: 404, title: "There is no such tenant." },
  UserNotFound: { status: 404, title: "There is no such user." },
  LoginTaken: { status: 409, title: "The login is taken." },
  EmailTaken: { status: 409, title: "The e-mail address is taken." },
  NameTaken: { status: 409, title: "The name is taken." },
  SessionsFull: { status: 409, title: "The user has as many sessions open as the tenant allows." },

  // Our own fault
  StoreUnavailable: { status: 503, title: "The store does not answer right now. Try again." },
  Overloaded: { status: 503, title: "Too much to do right now. Try again." },
  Internal: { status: 500, title: "Something went wrong here." },
} as const satisfies Record<string, ProblemKind>;

/** Stable codes of what the API answers instead of a result. */
export type ProblemCode = keyof typeof table;

/** Every kind of error that the API answers: the one list. */
export const problemKinds: Readonly<Record<ProblemCode, ProblemKind>> = table;

/** The problem document (RFC 9457) of a code. */
export function problemOf(code: ProblemCode, more: { detail?: string; errors?: ProblemEntry[] } = {}): Problem {
  const { status, title } = problemKinds[code];
  return problem({ status, code, title, ...more });
}
