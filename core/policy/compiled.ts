import * as z from "zod";
import { normaliseTarget } from "./path.ts";

const ms = z.int().min(0);
const mode = z.enum(["Enforce", "Shadow"]);
const access = z.enum(["Public", "Authenticated", "Roles"]);
const durability = z.enum(["Local", "Database", "BestEffort"]);
const credentialSource = z.enum(["AuthorizationHeader", "Cookie"]);
const headerValue = z.enum(["session.subject", "session.roles", "session.tenant", "session.id"]);

const compiledMatch = z.strictObject({
  type: z.enum(["Exact", "PathPrefix"]),
  /** As in the resource, which gives it in normalised form. */
  path: z.string().refine((path) => normaliseTarget(path)?.path === path),
  /** Empty: every method. */
  methods: z.array(z.string()),
});

const compiledRule = z.strictObject({
  name: z.string(),
  match: z.array(compiledMatch),
  access,
  /** Empty unless access is `Roles`. */
  roles: z.array(z.string()),
  /** The rule's name where the policy gives none. */
  action: z.string(),
  /** CEL; typed, bounded, yields bool. */
  when: z.string().optional(),
  durability,
  /** Lower case. */
  upgrades: z.array(z.string()),
  maxRequestDurationMs: ms.optional(),
});

/** How a policy looks to a sidecar: all that is needed to decide, defaults filled in, durations in milliseconds. */
export const compiledPolicySchema = z.strictObject({
  v: z.literal(1),
  namespace: z.string(),
  name: z.string(),
  tenant: z.strictObject({ id: z.string(), name: z.string() }),
  /** `iss` of the tokens that are accepted. */
  issuer: z.string(),
  /** What a sidecar must be able to do; one that lacks a feature refuses the policy. Sorted. */
  requiredFeatures: z.array(z.string()),
  ports: z.array(z.int()),
  /** Let through as plain TCP; sorted, absent where there are none. */
  passthroughPorts: z.array(z.int()).optional(),
  mode,
  authentication: z.strictObject({
    credentials: z.array(credentialSource),
    audiences: z.array(z.string()),
    revalidateAfterMs: ms,
    maxStalenessMs: ms,
    clockSkewMs: ms,
  }),
  sessions: z.strictObject({ idleTimeoutMs: ms }),
  rules: z.array(compiledRule),
  defaultAction: z.enum(["Deny", "Authenticated"]),
  upstream: z.strictObject({
    /** Header name → what it holds. */
    headers: z.record(z.string(), headerValue),
    forwardCredentials: z.boolean(),
    trustedHops: z.int(),
  }),
  responses: z.strictObject({ redirectTo: z.string().optional(), retryAfterMs: ms }),
  audit: z.strictObject({ durability, recordPublicRequests: z.boolean() }),
});

export type CompiledPolicy = z.output<typeof compiledPolicySchema>;
export type CompiledRule = z.output<typeof compiledRule>;
export type CompiledMatch = z.output<typeof compiledMatch>;
export type Mode = z.output<typeof mode>;
export type Durability = z.output<typeof durability>;
export type CredentialSource = z.output<typeof credentialSource>;
export type HeaderValue = z.output<typeof headerValue>;
