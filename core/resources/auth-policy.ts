import * as z from "zod";
import { policyRules } from "./auth-policy-rules.ts";
import { audience, label, map, mapList, set } from "./fields.ts";
import { conditions, durationField, labelSelector, namespacedMeta } from "./meta.ts";
import { rule, withRules } from "./rule.ts";

const durability = z.enum(["Local", "Database", "BestEffort"]);

const authentication = withRules(
  z.strictObject({
    credentials: set(z.enum(["AuthorizationHeader", "Cookie"]), 2, 1)
      .default(["AuthorizationHeader", "Cookie"])
      .meta({ description: "Where the access token may come in." }),
    audiences: set(audience(), 16, 1)
      .optional()
      .meta({ description: "`aud` values of which a token must carry one. The tenant's audiences when absent." }),
    revalidateAfter: durationField(
      "1s",
      "Session state older than this is read again; it still serves when there is no answer.",
    ),
    maxStaleness: durationField("30s", "Session state older than this serves no longer: 503."),
    clockSkew: durationField("30s", "How far clocks may be apart when a token's times are checked."),
  }),
  rule("duration(self.revalidateAfter) <= duration(self.maxStaleness)", "at most maxStaleness", ".revalidateAfter"),
  rule(
    "duration(self.maxStaleness) >= duration('1s') && duration(self.maxStaleness) <= duration('1h')",
    "1s to 1h",
    ".maxStaleness",
  ),
  rule("duration(self.clockSkew) <= duration('30s')", "at most 30s", ".clockSkew"),
);

const upstream = withRules(
  z.strictObject({
    headers: map(z.enum(["session.subject", "session.roles", "session.tenant", "session.id"]), 8)
      .default({ "x-heauth-subject": "session.subject", "x-heauth-roles": "session.roles" })
      .meta({ description: "Request headers that tell the app who calls. Names begin with `x-`." }),
    forwardCredentials: z
      .boolean()
      .default(false)
      .meta({ description: "Hand the access token to the app, unless it is also good for heauth's own API." }),
    trustedHops: z
      .int()
      .min(0)
      .max(10)
      .default(0)
      .meta({ description: "X-Forwarded-For entries, from the right, that are believed." }),
  }),
  rule(
    "self.headers.all(name, name.matches('^x-[a-z0-9]+(-[a-z0-9]+)*$') && size(name) <= 64)",
    "names of lower-case letters, digits and dashes that begin with x-, of 64 characters at most",
    ".headers",
  ),
  rule(
    "self.headers.all(name, !name.startsWith('x-envoy-') && !name.startsWith('x-forwarded-') && " +
      "!(name in ['x-request-id', 'x-heauth-action', 'x-heauth-peer']))",
    "names other than x-envoy-…, x-forwarded-…, x-request-id, x-heauth-action and x-heauth-peer",
    ".headers",
  ),
);

const responses = z.strictObject({
  unauthenticated: z
    .strictObject({
      redirectTo: z
        .string()
        .max(1024)
        .regex(/^\/([!-.0-[\]-~][!-[\]-~]*)?$/)
        .meta({ description: "A path of the same origin that browsers are sent to instead of the 401." }),
    })
    .optional()
    .meta({ description: "For requests without a good session." }),
  unavailable: withRules(
    z.strictObject({ retryAfter: durationField("2s", "`Retry-After` of a 503, in whole seconds.") }),
    rule(
      "duration(self.retryAfter) >= duration('1s') && duration(self.retryAfter) <= duration('1h')",
      "1s to 1h",
      ".retryAfter",
    ),
  )
    .prefault({})
    .meta({ description: "For requests that can't be decided or accounted for." }),
});

const spec = withRules(
  z.strictObject({
    tenantRef: z
      .strictObject({ name: label().meta({ description: "The Tenant's name." }) })
      .meta({ description: "The Tenant whose sessions are accepted. It can't be changed." }),
    selector: labelSelector().meta({ description: "The pods it protects, in its own namespace." }),
    ports: mapList(
      z.strictObject({
        port: z.int().min(1).max(65535).meta({ description: "The container's port." }),
        protocol: z.enum(["HTTP"]).meta({ description: "HTTP: 1.1, h2c, gRPC." }),
      }),
      "port",
      16,
      1,
    ).meta({ description: "The ports that it protects. Every other port is closed, but for `passthroughPorts`." }),
    passthroughPorts: set(z.int().min(1).max(65535), 16)
      .default([])
      .meta({
        description:
          "TCP ports of the pods that are open to everybody: connections are let through without a session, counted and not recorded. " +
          "For protocols other than HTTP. In Kubernetes only.",
      }),
    mode: z
      .enum(["Enforce", "Shadow"])
      .default("Enforce")
      .meta({ description: "Enforce, or Shadow: record and count what would be denied, and allow it." }),
    authentication: authentication.prefault({}).meta({ description: "Which sessions are accepted." }),
    rules: policyRules.default([]).meta({
      description: "What is allowed. The first rule that matches decides.",
      "x-kubernetes-list-type": "atomic",
    }),
    defaultAction: z
      .enum(["Deny", "Authenticated"])
      .default("Deny")
      .meta({ description: "For requests that no rule matches: deny, or allow with any session." }),
    upstream: upstream.prefault({}).meta({ description: "What the app gets to see." }),
    responses: responses.prefault({}).meta({ description: "What clients get to see." }),
    audit: z
      .strictObject({
        durability: durability.default("Local").meta({
          description:
            "Where a record is before its request is let through: Local (fsynced on the node), Database (committed there), BestEffort (in memory).",
        }),
        publicRequests: z
          .enum(["Skip", "Record"])
          .default("Skip")
          .meta({ description: "Whether allowed requests of Public rules are recorded." }),
      })
      .prefault({})
      .meta({ description: "How requests are recorded." }),
    paused: z.boolean().default(false).meta({ description: "What was compiled last stays in force." }),
  }),
  rule("self.rules.all(one, self.rules.exists_one(other, other.name == one.name))", "names that differ", ".rules"),
  rule(
    "self.passthroughPorts.all(port, !self.ports.exists(protected, protected.port == port))",
    "ports that are not protected",
    ".passthroughPorts",
  ),
);

const status = z.strictObject({
  observedGeneration: z.int().min(0).optional().meta({ description: "The generation last acted on." }),
  policyDigest: z
    .string()
    .max(71)
    .regex(/^sha256:[0-9a-f]{64}$/)
    .optional()
    .meta({ description: "The compiled policy's digest, as in every decision record." }),
  pods: z
    .strictObject({
      selected: z.int().min(0).meta({ description: "Pods that the selector selects." }),
      injected: z.int().min(0).meta({ description: "Of these, pods with a sidecar." }),
      synced: z.int().min(0).meta({ description: "Of these, sidecars that enforce this digest." }),
    })
    .optional()
    .meta({ description: "How far it has come." }),
  conditions,
});

/** AuthPolicy: which requests to which pods are allowed, and how they are recorded. Namespaced. */
export const authPolicySchema = withRules(
  z.strictObject({
    apiVersion: z.literal("heauth.io/v1alpha1"),
    kind: z.literal("AuthPolicy"),
    metadata: namespacedMeta,
    spec: spec.meta({ description: "What is wanted." }),
    status: status.optional().meta({ description: "What is so; written by heauth's operator alone." }),
  }),
  rule("self.spec.tenantRef.name == oldSelf.spec.tenantRef.name", "the same tenant as before", ".spec.tenantRef.name"),
);

export type AuthPolicy = z.output<typeof authPolicySchema>;
export type AuthPolicyInput = z.input<typeof authPolicySchema>;
