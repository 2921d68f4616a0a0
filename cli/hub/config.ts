import { commonSettings, durationMs, hostPort, setting } from "@heauth/program";
import * as z from "zod";
import { clusterSettings } from "../cluster/settings.ts";

/** The settings of `heauth hub`. */
export const hubSettings = z.object({
  ...commonSettings,
  kubeconfig: clusterSettings.kubeconfig,
  database: setting(clusterSettings.database, {
    description: "PostgreSQL, with a login that is a member of heauth_hub; better HEAUTH_DATABASE_FILE than a flag.",
    example: "postgresql://heauth_hub_login@db/heauth",
    holds: "url",
  }),
  programKey: setting(clusterSettings.programKey, {
    description: "File of the hub's program key, as `heauth keys create` writes it.",
    example: "/etc/heauth/keys/hub.json",
  }),
  listen: setting(hostPort(), {
    description: "Where sidecars come in (gRPC over TLS); port 0 takes a free one.",
    example: "0.0.0.0:8443",
  }),
  tlsCert: setting(z.string().min(1), {
    description: "Certificate (PEM, with its chain) that sidecars are shown; read again when it is replaced.",
    example: "/etc/heauth/tls/tls.crt",
  }),
  tlsKey: setting(z.string().min(1), {
    description: "Its private key (PEM).",
    example: "/etc/heauth/tls/tls.key",
  }),
  goodbyes: setting(durationMs().prefault("15s"), {
    description: "At a stop, over how long sidecars are sent to the other hubs; at most what stopWithin leaves.",
    example: "30s",
  }),
});

export type HubConfig = z.output<typeof hubSettings>;

/** What a stop needs for the calls under way and what is to be written, ms. */
const REST_MS = 3_000;
const MAX_GOODBYES_MS = 30_000;

/** Over how long goodbyes are spread, ms. */
export function goodbyesMs({ goodbyes, stopWithin }: Pick<HubConfig, "goodbyes" | "stopWithin">): number {
  return Math.max(0, Math.min(goodbyes, stopWithin - REST_MS, MAX_GOODBYES_MS));
}
