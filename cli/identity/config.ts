import { identitySettings } from "@heauth/identity";
import { commonSettings, durationMs, hostPort, setting } from "@heauth/program";
import * as z from "zod";
import { clusterSettings } from "../cluster/settings.ts";

const { database, programKey, ledgerKeys } = clusterSettings;
const file = z.string().min(1);

/** The settings of `heauth identity`. */
export const identityProgramSettings = z
  .object({
    ...commonSettings,
    database,
    programKey,
    serverSecrets: setting(file, {
      description: "File of identity's halves of session keys, as `heauth keys create` writes it.",
      example: "/etc/heauth/keys/server-secrets.json",
    }),
    ledgerKeys,
    listen: setting(hostPort(), {
      description: "Where to serve the API; port 0 takes a free one.",
      example: "0.0.0.0:8443",
    }),
    tlsCert: setting(file.optional(), {
      description:
        "Certificate (PEM, with its chain) of the API; read again when it is replaced. Without it: plain HTTP.",
      example: "/etc/heauth/tls/tls.crt",
    }),
    tlsKey: setting(file.optional(), {
      description: "Its private key (PEM).",
      example: "/etc/heauth/tls/tls.key",
    }),
    drain: setting(durationMs().prefault("5s"), {
      description: "At a stop, how long it still answers whoever comes: until everybody knows that it goes.",
      example: "5s",
    }),
    ...identitySettings.shape,
  })
  .refine(({ tlsCert, tlsKey }) => tlsCert === undefined || tlsKey !== undefined, { path: ["tlsKey"] })
  .refine(({ tlsCert, tlsKey }) => tlsKey === undefined || tlsCert !== undefined, { path: ["tlsCert"] });

export type IdentityProgramConfig = z.output<typeof identityProgramSettings>;
