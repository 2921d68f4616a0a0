import { main, systemClock } from "@heauth/program";
import { createSidecar } from "./app.ts";
import { sidecarSettings } from "./config.ts";

/** Runs a sidecar until it is told to stop; `argv` as after the subcommand's name. */
export function runSidecar({ version, argv }: { version: string; argv: string[] }): Promise<void> {
  return main({
    name: "sidecar",
    version,
    about: "Decides and records the requests of one app, for the Envoy beside it.",
    schema: sidecarSettings,
    argv,
    compose: ({ config, logs, metrics, health, fail }) =>
      createSidecar({ config, version, clock: systemClock, log: logs.log, metrics, health, fail }),
  });
}
