/** Whether a denial raises an alert: never, each time (deduplicated by the tenant's window), or when it comes in runs from one peer. */
export type Alerting = "Never" | "Each" | "Runs";

export interface Reason {
  /** What the client is answered. */
  readonly status: 400 | 401 | 403 | 503;
  readonly alert: Alerting;
  /** The stable code that the client sees. Reasons a forger could learn from share one. */
  readonly code: string;
  /** What the client is told, safe for anybody to read. */
  readonly detail: string;
}

const unusable = (code: string, detail: string): Reason => ({ status: 400, alert: "Never", code, detail });
const unauthenticated = (alert: Alerting): Reason => ({
  status: 401,
  alert,
  code: "Unauthenticated",
  detail: "A valid session is needed.",
});
const forbidden = (code: string, detail: string): Reason => ({ status: 403, alert: "Never", code, detail });
const unavailable = (): Reason => ({
  status: 503,
  alert: "Never",
  code: "Unavailable",
  detail: "The request can't be accounted for right now. Try again.",
});

const table = {
  // The request itself
  AmbiguousPath: unusable("AmbiguousPath", "The path can be read in more than one way."),
  MalformedCredential: unusable("MalformedCredential", "The credential can't be read."),
  DuplicateCredential: unusable("DuplicateCredential", "More than one credential was sent."),
  OversizeCredential: unusable("OversizeCredential", "The credential is too long."),

  // The token: all look alike from outside
  NoCredential: unauthenticated("Never"),
  MalformedToken: unauthenticated("Never"),
  WrongType: unauthenticated("Never"),
  WrongAlgorithm: unauthenticated("Never"),
  BadTag: unauthenticated("Runs"),
  UnknownSession: unauthenticated("Never"),
  BadStatement: unauthenticated("Each"),
  BadSignature: unauthenticated("Each"),
  TokenExpired: unauthenticated("Never"),
  TokenNotYetValid: unauthenticated("Never"),
  WrongIssuer: unauthenticated("Never"),
  WrongTenant: unauthenticated("Each"),
  WrongAudience: unauthenticated("Each"),

  // The session
  SessionClosed: unauthenticated("Each"),
  SessionIdle: unauthenticated("Never"),
  SessionExpired: unauthenticated("Never"),
  RefreshReuse: unauthenticated("Each"),

  // What the session may do
  CrossSite: forbidden("CrossSite", "A change with a cookie must come from the same origin."),
  NoRule: forbidden("Forbidden", "The session may not do this."),
  RoleMissing: forbidden("Forbidden", "The session may not do this."),
  ConditionFalse: forbidden("Forbidden", "The session may not do this."),
  ConditionError: forbidden("Forbidden", "The session may not do this."),
  UpgradeDenied: forbidden("UpgradeDenied", "The connection may not be upgraded here."),

  // Our own fault
  NoPolicy: unavailable(),
  StoreUnavailable: unavailable(),
  RecordUnavailable: unavailable(),
  Overloaded: unavailable(),
} as const satisfies Record<string, Reason>;

export type ReasonName = keyof typeof table;

/** Every reason for which a request is denied: the one list. Records hold the name; clients see only `status`, `code` and `detail`. */
export const reasons: Readonly<Record<ReasonName, Reason>> = table;

/** Whether `name` is in the list, for names read back from records. */
export function isReasonName(name: string): name is ReasonName {
  return Object.hasOwn(table, name);
}
