import { main } from "@heauth/program";
import { composeWebhook } from "./app.ts";
import { webhookSettings } from "./config.ts";

/** Runs the admission webhook until it is told to stop; `argv` as after the subcommand's name. */
export function runWebhook({ version, argv }: { version: string; argv: string[] }): Promise<void> {
  return main({
    name: "webhook",
    version,
    about: `Tells the API server which Tenants and AuthPolicies are valid, and with --injection puts the sidecar and Envoy into pods
that an AuthPolicy selects. It issues and renews its own certificates, unless --tls-cert and --tls-key give some, and needs no
database.`,
    schema: webhookSettings,
    argv,
    compose: composeWebhook,
  });
}
