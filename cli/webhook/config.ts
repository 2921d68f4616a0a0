import { commonSettings, hostPort, setting } from "@heauth/program";
import * as z from "zod";
import { clusterSettings, objectName } from "../cluster/settings.ts";

const { kubeconfig, namespace } = clusterSettings;

const file = z.string().min(1).optional();

/** The settings of `heauth webhook`. */
export const webhookSettings = z
  .object({
    ...commonSettings,
    kubeconfig,
    namespace,
    listen: setting(hostPort(), {
      description: "Where to answer the API server (HTTPS); port 0 takes a free one.",
      example: "0.0.0.0:8443",
    }),
    service: setting(objectName.default("heauth-webhook"), {
      description: "The Service by which the API server calls; certificates of our own are for its names.",
      example: "heauth-webhook",
    }),
    configuration: setting(objectName.default("heauth-webhook"), {
      description:
        "The ValidatingWebhookConfiguration, and with --injection the MutatingWebhookConfiguration, whose caBundle is kept.",
      example: "heauth-webhook",
    }),
    certificates: setting(objectName.default("heauth-webhook-certificates"), {
      description: "The Secret that holds certificates of our own, for all replicas.",
      example: "heauth-webhook-certificates",
    }),
    injection: setting(file, {
      description:
        "YAML file of what pods are injected with; without it none is, and no question about pods is answered.",
      example: "/etc/heauth/injection/injection.yaml",
    }),
    tlsCert: setting(file, {
      description:
        "Certificate (PEM) that somebody else looks after, the caBundle too; it is read again when replaced.",
      example: "/etc/heauth/tls/tls.crt",
    }),
    tlsKey: setting(file, {
      description: "Its private key (PEM).",
      example: "/etc/heauth/tls/tls.key",
    }),
  })
  .refine(({ tlsCert, tlsKey }) => tlsCert === undefined || tlsKey !== undefined, { path: ["tlsKey"] })
  .refine(({ tlsCert, tlsKey }) => tlsKey === undefined || tlsCert !== undefined, { path: ["tlsCert"] });

export type WebhookConfig = z.output<typeof webhookSettings>;
