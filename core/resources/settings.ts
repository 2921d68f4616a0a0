import * as z from "zod";
import { milliseconds } from "./duration.ts";
import { type Tenant, tenantSchema } from "./tenant.ts";

const ms = z.int().min(0);

/** A tenant's compiled spec, as the store keeps it: defaults filled in, durations in milliseconds. */
export const tenantSettingsSchema = z.strictObject({
  displayName: z.string().optional(),
  audiences: z.array(z.string()),
  registration: z.enum(["Closed", "Open"]),
  sessions: z.strictObject({
    idleTimeoutMs: ms,
    absoluteTimeoutMs: ms,
    maxPerUser: z.int().min(1),
    whenFull: z.enum(["EvictOldest", "Refuse"]),
  }),
  tokens: z.strictObject({ accessLifetimeMs: ms, refreshLifetimeMs: ms, rotationGraceMs: ms }),
  passwords: z.strictObject({ minLength: z.int().min(1), hash: z.enum(["Argon2id", "Bcrypt"]) }),
  lockout: z.strictObject({ failures: z.int().min(1), windowMs: ms, delay: z.enum(["Exponential"]) }),
  alerts: z.strictObject({
    receivers: z.array(
      z.strictObject({
        name: z.string(),
        webhook: z.strictObject({
          url: z.string(),
          signingSecretRef: z.strictObject({ name: z.string(), key: z.string() }),
        }),
      }),
    ),
    dedupWindowMs: ms,
  }),
  /** Absent: private parts are kept for ever. */
  audit: z.strictObject({ retentionDays: z.int().min(1) }).optional(),
});

export type TenantSettings = z.output<typeof tenantSettingsSchema>;

/** What a validated Tenant asks for. */
export function tenantSettings(tenant: Tenant): TenantSettings {
  const { spec } = tenant;
  return {
    ...(spec.displayName === undefined ? {} : { displayName: spec.displayName }),
    audiences: spec.audiences,
    registration: spec.registration,
    sessions: {
      idleTimeoutMs: milliseconds(spec.sessions.idleTimeout),
      absoluteTimeoutMs: milliseconds(spec.sessions.absoluteTimeout),
      maxPerUser: spec.sessions.maxPerUser,
      whenFull: spec.sessions.whenFull,
    },
    tokens: {
      accessLifetimeMs: milliseconds(spec.tokens.accessLifetime),
      refreshLifetimeMs: milliseconds(spec.tokens.refreshLifetime ?? spec.sessions.absoluteTimeout),
      rotationGraceMs: milliseconds(spec.tokens.rotationGrace),
    },
    passwords: spec.passwords,
    lockout: {
      failures: spec.lockout.failures,
      windowMs: milliseconds(spec.lockout.window),
      delay: spec.lockout.delay,
    },
    alerts: {
      receivers: spec.alerts.receivers.flatMap(({ name, webhook }) =>
        webhook === undefined ? [] : [{ name, webhook }],
      ),
      dedupWindowMs: milliseconds(spec.alerts.dedupWindow),
    },
    ...(spec.audit.retentionDays === undefined ? {} : { audit: { retentionDays: spec.audit.retentionDays } }),
  };
}

/** What a tenant without a resource starts with: the schema's own defaults. */
export function defaultTenantSettings(name: string, audiences: readonly string[]): TenantSettings {
  return tenantSettings(
    tenantSchema.parse({
      apiVersion: "heauth.io/v1alpha1",
      kind: "Tenant",
      metadata: { name },
      spec: { audiences },
    }),
  );
}
