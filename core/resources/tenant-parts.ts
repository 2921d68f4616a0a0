import * as z from "zod";
import { label, mapList, set } from "./fields.ts";
import { durationField, secretKeyRef } from "./meta.ts";
import { rule, withRules } from "./rule.ts";

const webhook = withRules(
  z.strictObject({
    url: z
      .string()
      .max(2048)
      .regex(/^https?:\/\/[^\s@/?#\\]+([/?][^\s#\\]*)?$/)
      .meta({ description: "Where alerts are posted. https, or http on loopback; no user or password in it." }),
    signingSecretRef: secretKeyRef().meta({
      description: "The secret that deliveries are signed with (Standard Webhooks).",
    }),
  }),
  rule(
    "self.url.startsWith('https://') || self.url.matches(r'^http://(localhost|127[.][0-9]+[.][0-9]+[.][0-9]+|\\[::1\\])(:[0-9]+)?([/?].*)?$')",
    "https, or http on loopback",
    ".url",
  ),
);

const smtp = z.strictObject({
  to: set(
    z
      .string()
      .min(3)
      .max(254)
      .regex(/^[^\s@]+@[^\s@]+$/),
    16,
    1,
  ).meta({ description: "Addresses that get the mail." }),
});

const receiver = withRules(
  z.strictObject({
    name: label().meta({ description: "Its name, in logs and conditions." }),
    webhook: webhook.optional().meta({ description: "An HTTP endpoint." }),
    smtp: smtp.optional().meta({ description: "Mail." }),
  }),
  rule("has(self.webhook) != has(self.smtp)", "exactly one of webhook and smtp"),
);

export const alerts = withRules(
  z.strictObject({
    receivers: mapList(receiver, "name", 8).default([]).meta({ description: "Who gets them." }),
    dedupWindow: durationField(
      "5m",
      "Alerts of the same reason, session or peer, and rule within it are counted, not repeated.",
    ),
  }),
  rule("duration(self.dedupWindow) <= duration('24h')", "at most 24h", ".dedupWindow"),
);

export const limits = withRules(
  z.strictObject({
    maxStaleness: durationField("60s", "The longest `authentication.maxStaleness`."),
    durability: set(z.enum(["Local", "Database", "BestEffort"]), 3, 1)
      .default(["Local", "Database"])
      .meta({ description: "What `durability` may be." }),
    modes: set(z.enum(["Enforce", "Shadow"]), 2, 1)
      .default(["Enforce", "Shadow"])
      .meta({ description: "What `mode` may be." }),
    forwardCredentials: z
      .boolean()
      .default(false)
      .meta({ description: "Whether a policy may hand the access token to its app." }),
  }),
  rule("duration(self.maxStaleness) <= duration('1h')", "at most 1h", ".maxStaleness"),
);
