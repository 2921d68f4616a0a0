import * as z from "zod";
import { audience, duration, label, mapList, set } from "./fields.ts";
import { clusterMeta, conditions, durationField, labelSelector, secretKeyRef } from "./meta.ts";
import { rule, withRules } from "./rule.ts";
import { alerts, limits } from "./tenant-parts.ts";

const allowedNamespaces = withRules(
  z.strictObject({
    from: z.enum(["None", "All", "Selector"]).default("None").meta({
      description: "Namespaces whose AuthPolicies may use this tenant: none, all, or those the selector selects.",
    }),
    selector: labelSelector().optional().meta({ description: "Labels of the namespaces, for `Selector`." }),
  }),
  rule("(self.from == 'Selector') == has(self.selector)", "a selector with from: Selector, and only then", ".selector"),
);

const sessions = withRules(
  z.strictObject({
    idleTimeout: durationField("30m", "A session that is not used for this long ends."),
    absoluteTimeout: durationField("12h", "A session ends after this long, used or not."),
    maxPerUser: z
      .int()
      .min(1)
      .max(1000)
      .default(10)
      .meta({ description: "Sessions that a user may have open at once." }),
    whenFull: z
      .enum(["EvictOldest", "Refuse"])
      .default("EvictOldest")
      .meta({ description: "At `maxPerUser`: end the oldest session, or refuse the login." }),
  }),
  rule(
    "duration(self.idleTimeout) >= duration('1m') && duration(self.idleTimeout) <= duration(self.absoluteTimeout)",
    "at least 1m and at most absoluteTimeout",
    ".idleTimeout",
  ),
  rule("duration(self.absoluteTimeout) <= duration('2160h')", "at most 2160h (90 days)", ".absoluteTimeout"),
);

const tokens = withRules(
  z.strictObject({
    accessLifetime: durationField("10m", "How long an access token is valid."),
    refreshLifetime: duration().optional().meta({
      description: "How long a refresh token is valid. As long as the session (`absoluteTimeout`) when absent.",
    }),
    rotationGrace: durationField(
      "10s",
      "How long the previous refresh token still gets the same answer, if that was lost.",
    ),
  }),
  rule(
    "duration(self.accessLifetime) >= duration('30s') && duration(self.accessLifetime) <= duration('1h')",
    "30s to 1h",
    ".accessLifetime",
  ),
  rule("duration(self.rotationGrace) <= duration('60s')", "at most 60s", ".rotationGrace"),
);

const passwords = z.strictObject({
  minLength: z.int().min(8).max(64).default(15).meta({ description: "Characters that a password must have." }),
  hash: z
    .enum(["Argon2id", "Bcrypt"])
    .default("Argon2id")
    .meta({ description: "How passwords are hashed. Bcrypt refuses passwords of more than 72 bytes." }),
});

const lockout = withRules(
  z.strictObject({
    failures: z
      .int()
      .min(1)
      .max(100)
      .default(10)
      .meta({ description: "Failed logins within the window before delays begin." }),
    window: durationField("15m", "The window in which failures are counted."),
    delay: z
      .enum(["Exponential"])
      .default("Exponential")
      .meta({ description: "How the delay grows with each further failure." }),
  }),
  rule("duration(self.window) >= duration('1m') && duration(self.window) <= duration('24h')", "1m to 24h", ".window"),
);

const identityProvider = z.strictObject({
  name: label().meta({ description: "Its name in the login's address." }),
  type: z.enum(["OIDC"]).meta({ description: "The protocol." }),
  issuer: z
    .string()
    .max(2048)
    .regex(/^https:\/\/[^\s@/?#\\]+(\/[^\s?#\\]*)?$/)
    .meta({ description: "The issuer's address; its metadata is found from it." }),
  clientId: z.string().min(1).max(256).meta({ description: "heauth's client id there." }),
  clientSecretRef: secretKeyRef().meta({ description: "heauth's client secret there." }),
});

const spec = withRules(
  z.strictObject({
    displayName: z.string().min(1).max(128).optional().meta({ description: "What people read." }),
    audiences: set(audience(), 16, 1).meta({
      description: "`aud` values that its tokens may carry. `heauth` is identity's own and comes by itself.",
    }),
    allowedNamespaces: allowedNamespaces.prefault({}).meta({ description: "Whose AuthPolicies may use this tenant." }),
    registration: z
      .enum(["Closed", "Open"])
      .default("Closed")
      .meta({ description: "Whether users may sign themselves up." }),
    sessions: sessions.prefault({}).meta({ description: "How long sessions live, and how many." }),
    tokens: tokens.prefault({}).meta({ description: "How long tokens live." }),
    passwords: passwords.prefault({}).meta({ description: "What passwords must be, and how they are kept." }),
    lockout: lockout.prefault({}).meta({ description: "What failed logins lead to." }),
    identityProviders: mapList(identityProvider, "name", 8)
      .optional()
      .meta({ description: "Where users may log in instead of with a password." }),
    alerts: alerts.prefault({}).meta({ description: "Who is told of a mismatch." }),
    audit: z
      .strictObject({
        retentionDays: z.int().min(1).max(36500).optional().meta({
          description:
            "Days after which the private parts of records are erased: paths, peers, logins. Never when absent.",
        }),
      })
      .prefault({})
      .meta({ description: "How long the ledger keeps what is private." }),
    limits: limits.prefault({}).meta({ description: "What its AuthPolicies may at most ask for." }),
    adminSecretRef: z
      .strictObject({ name: label().meta({ description: "The Secret's name, in heauth's own namespace." }) })
      .optional()
      .meta({ description: "Where the first administrator's one-time password is written when the Secret is absent." }),
    reclaimPolicy: z.enum(["Retain", "Delete"]).default("Retain").meta({
      description:
        "What happens to its data when the Tenant is deleted: it is kept, and a later Tenant takes it over with the annotation `heauth.io/adopt`; or all of it is deleted, the ledger too.",
    }),
    paused: z.boolean().default(false).meta({ description: "What was compiled last stays in force." }),
  }),
  rule("!('heauth' in self.audiences)", "audiences other than `heauth`, which is identity's own", ".audiences"),
  rule(
    "!has(self.tokens.refreshLifetime) || duration(self.tokens.refreshLifetime) <= duration(self.sessions.absoluteTimeout)",
    "at most sessions.absoluteTimeout",
    ".tokens.refreshLifetime",
  ),
  rule(
    "!has(self.tokens.refreshLifetime) || duration(self.tokens.refreshLifetime) >= duration(self.tokens.accessLifetime)",
    "at least tokens.accessLifetime",
    ".tokens.refreshLifetime",
  ),
);

const status = z.strictObject({
  tenantId: z
    .string()
    .max(36)
    .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    .optional()
    .meta({ description: "The id that its data and its records carry." }),
  observedGeneration: z.int().min(0).optional().meta({ description: "The generation last acted on." }),
  ledger: z
    .strictObject({
      epoch: z.int().min(0).meta({ description: "The log's epoch, from 0; a new one begins after a recovery." }),
      size: z.int().min(0).meta({ description: "Entries in the log." }),
      time: z.string().max(64).optional().meta({ description: "When the checkpoint was signed.", format: "date-time" }),
      note: z.string().min(1).max(8192).meta({ description: "The signed checkpoint." }),
    })
    .optional()
    .meta({ description: "The anchor: the ledger's checkpoint, kept outside the database. It only advances." }),
  conditions,
});

/** Tenant: who may log in, for how long, and what is kept of it. Cluster-scoped. */
export const tenantSchema = withRules(
  z.strictObject({
    apiVersion: z.literal("heauth.io/v1alpha1"),
    kind: z.literal("Tenant"),
    metadata: clusterMeta,
    spec: spec.meta({ description: "What is wanted." }),
    status: status.optional().meta({ description: "What is so; written by heauth's operator alone." }),
  }),
  rule(
    "!has(oldSelf.status) || !has(oldSelf.status.ledger) || (has(self.status) && has(self.status.ledger) && " +
      "(self.status.ledger.epoch > oldSelf.status.ledger.epoch || (self.status.ledger.epoch == oldSelf.status.ledger.epoch && " +
      "self.status.ledger.size >= oldSelf.status.ledger.size)))",
    "the anchor only advances",
    ".status.ledger",
  ),
  rule(
    "!has(oldSelf.status) || !has(oldSelf.status.ledger) || !has(self.status) || !has(self.status.ledger) || " +
      "self.status.ledger.epoch != oldSelf.status.ledger.epoch || self.status.ledger.size != oldSelf.status.ledger.size || " +
      "self.status.ledger.note == oldSelf.status.ledger.note",
    "the same note as before, as long as epoch and size are the same",
    ".status.ledger.note",
  ),
  rule(
    "!has(oldSelf.status) || !has(oldSelf.status.tenantId) || (has(self.status) && has(self.status.tenantId) && " +
      "self.status.tenantId == oldSelf.status.tenantId)",
    "the same id as before",
    ".status.tenantId",
  ),
);

export type Tenant = z.output<typeof tenantSchema>;
export type TenantInput = z.input<typeof tenantSchema>;
