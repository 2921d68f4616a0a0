import { main } from "@heauth/program";
import { composeHub } from "./app.ts";
import { hubSettings } from "./config.ts";

/** Runs the hub of a cluster until it is told to stop; `argv` as after the subcommand's name. */
export function runHub({ version, argv }: { version: string; argv: string[] }): Promise<void> {
  return main({
    name: "hub",
    version,
    about: `The sidecars' control plane in a cluster: serves each one its pod's policy and its tenant's sessions, and takes its records
in. It knows a sidecar by its pod's service account token (audience heauth-hub), which the API server reviews.`,
    schema: hubSettings,
    argv,
    compose: composeHub,
  });
}
