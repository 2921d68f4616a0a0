import { commonSettings, durationMs, setting } from "@heauth/program";
import * as z from "zod";
import { clusterSettings, objectName } from "../cluster/settings.ts";

const upToADay = durationMs().refine((ms) => ms >= 1_000 && ms <= 86_400_000, "must be 1s to 24h");
const upToAnHour = durationMs().refine((ms) => ms >= 1_000 && ms <= 3_600_000, "must be 1s to 1h");

/** The operator's own, which the hub must not see. */
const AUTHORITY_SECRET = "heauth-hub-ca";
const hubTlsSecret = objectName.refine((name) => name !== AUTHORITY_SECRET, "must be another one than heauth-hub-ca");

/** The settings of `heauth operator`. */
export const operatorSettings = z.object({
  ...commonSettings,
  ...clusterSettings,
  issuer: setting(z.url({ protocol: /^https?$/ }), {
    description: "`iss` of every token, as identity has it; access tokens of another issuer are refused.",
    example: "https://auth.example.org",
  }),
  hubTlsSecret: setting(hubTlsSecret.optional(), {
    description:
      "Secret of the hub's certificate: kept here, unless somebody else has made it, and with it the ConfigMap heauth-trust in every namespace with injection; neither is unless given.",
    example: "heauth-hub-tls",
  }),
  hubService: setting(objectName.default("heauth-hub"), {
    description: "The Service by which sidecars call the hub; its certificate is for this Service's names.",
    example: "heauth-hub",
  }),
  lease: setting(durationMs().prefault("15s"), {
    description: "How long an operator that says nothing any more is waited for before another one takes over.",
    example: "15s",
  }),
  lostAfter: setting(upToADay.prefault("60s"), {
    description:
      "How long a pod must have been gone, and its sidecar silent, before a journal that it has not closed is recorded as lost.",
    example: "60s",
  }),
  anchorInterval: setting(upToAnHour.prefault("30s"), {
    description:
      "How often a tenant's anchor is written at most. A database that is rolled back by less than that may be found only by what an operator remembers.",
    example: "30s",
  }),
  resync: setting(upToADay.prefault("10m"), {
    description:
      "How often every resource is looked at again, give or take a tenth: what others changed behind its back is put right.",
    example: "10m",
  }),
});

export type OperatorConfig = z.output<typeof operatorSettings>;
