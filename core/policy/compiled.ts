/** How a policy looks to a sidecar: everything decided from, nothing to be parsed again. Durations are milliseconds. */
export interface CompiledPolicy {
  readonly v: 1;
  readonly namespace: string;
  readonly name: string;
  readonly tenant: { readonly id: string; readonly name: string };
  /** `iss` of the tokens that are accepted. */
  readonly issuer: string;
  /** What a sidecar must be able to do; one that lacks a feature refuses the policy. Sorted. */
  readonly requiredFeatures: readonly string[];
  readonly ports: readonly number[];
  readonly mode: Mode;
  readonly authentication: {
    readonly credentials: readonly CredentialSource[];
    readonly audiences: readonly string[];
    readonly revalidateAfterMs: number;
    readonly maxStalenessMs: number;
    readonly clockSkewMs: number;
  };
  readonly sessions: { readonly idleTimeoutMs: number };
  readonly rules: readonly CompiledRule[];
  readonly defaultAction: "Deny" | "Authenticated";
  readonly upstream: {
    /** Header name → what it holds. */
    readonly headers: Readonly<Record<string, HeaderValue>>;
    readonly forwardCredentials: boolean;
    readonly trustedHops: number;
  };
  readonly responses: { readonly redirectTo?: string; readonly retryAfterMs: number };
  readonly audit: { readonly durability: Durability; readonly recordPublicRequests: boolean };
}

export interface CompiledRule {
  readonly name: string;
  readonly match: readonly CompiledMatch[];
  readonly access: Access;
  /** Empty unless access is `Roles`. */
  readonly roles: readonly string[];
  /** The rule's name where the policy gives none. */
  readonly action: string;
  /** CEL; typed, bounded, yields bool. */
  readonly when?: string;
  readonly durability: Durability;
  /** Lower case. */
  readonly upgrades: readonly string[];
  readonly maxRequestDurationMs?: number;
}

export interface CompiledMatch {
  readonly type: "Exact" | "PathPrefix";
  /** Normalised. */
  readonly path: string;
  /** Empty: every method. */
  readonly methods: readonly string[];
}

export type Mode = "Enforce" | "Shadow";
export type Access = "Public" | "Authenticated" | "Roles";
export type Durability = "Local" | "Database" | "BestEffort";
export type CredentialSource = "AuthorizationHeader" | "Cookie";
export type HeaderValue = "session.subject" | "session.roles" | "session.tenant" | "session.id";
