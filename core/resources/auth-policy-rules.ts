import * as z from "zod";
import { duration, label, roleName, set } from "./fields.ts";
import { rule, withRules } from "./rule.ts";

const path = withRules(
  z.strictObject({
    type: z
      .enum(["Exact", "PathPrefix"])
      .default("PathPrefix")
      .meta({ description: "The whole path, or its first elements (`/a` is no prefix of `/ab`), as in Gateway API." }),
    value: z
      .string()
      .min(1)
      .max(1024)
      .regex(/^\/[^\s?#\\]*$/)
      .default("/")
      .meta({ description: "The path, in its normalised form, compared with regard to case." }),
  }),
  rule(
    "!self.value.contains('//') && !self.value.contains('/./') && !self.value.contains('/../') && " +
      "!self.value.endsWith('/.') && !self.value.endsWith('/..') && !self.value.matches('%(2[fF]|5[cC]|00)')",
    "a normalised path: no empty or dot elements, no escaped slashes",
    ".value",
  ),
);

const match = z.strictObject({
  path: path.prefault({}).meta({ description: "Which path." }),
  methods: set(
    z
      .string()
      .min(1)
      .max(32)
      .regex(/^[A-Z]+(-[A-Z]+)*$/),
    16,
    1,
  )
    .optional()
    .meta({ description: "Which methods; every one when absent." }),
});

const policyRule = withRules(
  z.strictObject({
    name: label().meta({ description: "Its name, in records, alerts and metrics." }),
    match: z
      .array(match)
      .min(1)
      .max(16)
      .meta({ description: "Requests that it is for: any of these.", "x-kubernetes-list-type": "atomic" }),
    access: z
      .enum(["Public", "Authenticated", "Roles"])
      .meta({ description: "Who may: anybody, any session, or sessions with one of the roles." }),
    roles: set(roleName(), 32, 1)
      .optional()
      .meta({ description: "Roles of which a session must have one, for `Roles`." }),
    action: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$/)
      .optional()
      .meta({ description: "What the block, the alert and the console call it. The rule's name when absent." }),
    when: z.string().min(1).max(1024).optional().meta({
      description:
        "A condition in CEL over `request` (method, path, query) and `session` (id, subject, roles, tenant), which must hold too. An error denies.",
    }),
    durability: z
      .enum(["Local", "Database", "BestEffort"])
      .optional()
      .meta({ description: "Where the record is before the request is let through. `audit.durability` when absent." }),
    upgrades: set(
      z
        .string()
        .min(1)
        .max(32)
        .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
      4,
    )
      .default([])
      .meta({ description: "Protocols that a connection may be upgraded to, such as `websocket`." }),
    maxRequestDuration: duration()
      .optional()
      .meta({ description: "How long a request, streams included, may take. Without limit when absent." }),
  }),
  rule("(self.access == 'Roles') == has(self.roles)", "roles with access: Roles, and only then", ".roles"),
  rule("self.access != 'Public' || !has(self.when)", "no condition with access: Public", ".when"),
  rule(
    "!has(self.maxRequestDuration) || duration(self.maxRequestDuration) > duration('0s')",
    "more than 0s",
    ".maxRequestDuration",
  ),
);

export const policyRules = z.array(policyRule).max(128);
