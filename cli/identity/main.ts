import { main } from "@heauth/program";
import { composeIdentity } from "./app.ts";
import { identityProgramSettings } from "./config.ts";

/** Runs the identity API until it is told to stop; `argv` as after the subcommand's name. */
export function runIdentity({ version, argv }: { version: string; argv: string[] }): Promise<void> {
  return main({
    name: "identity",
    version,
    about: `Serves the API where users log in, and everything about them, for a cluster. Several may run. It never migrates the
database: heauth migrate does. On its own port /readyz also asks the database.`,
    schema: identityProgramSettings,
    argv,
    compose: composeIdentity,
  });
}
