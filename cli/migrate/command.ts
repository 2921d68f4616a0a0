import { Command } from "@commander-js/extra-typings";
import { durationMs, readConfig, setting } from "@heauth/program";
import { migrate } from "@heauth/store";
import * as z from "zod";
import { clusterSettings } from "../cluster/settings.ts";
import { waitForDatabase } from "./wait-for-database.ts";

const WAIT = "5m";

const schema = z.object({
  database: clusterSettings.database,
  wait: setting(durationMs().prefault("0s"), {
    description: "How long to wait for a database that is not there yet.",
    example: WAIT,
  }),
});

const HELP = `
It may be run at any time, also twice at once: what was applied is not applied again. Nothing is applied when a migration fails.
With --wait it is for a Job that starts together with its database: it waits for the address, the server, the login and the
database, says on standard error for what, and ends with 2 when the time is up.

Exit codes:
  0  the schema is up to date
  2  it is not: the reason is printed`;

/** `heauth migrate` */
export function migrateCommand() {
  return new Command("migrate")
    .description("bring the database's schema up to date; the other programs wait for it and never do it themselves")
    .option(
      "--database <url>",
      "PostgreSQL, with a login that may create roles; HEAUTH_DATABASE, or HEAUTH_DATABASE_FILE=FILE, unless given",
    )
    .option("--wait [duration]", `wait for a database that is not there yet, ${WAIT} unless given, as 90s; HEAUTH_WAIT`)
    .option("--json", "print the result as JSON")
    .addHelpText("after", HELP)
    .action(async ({ database, wait, json }) => {
      const { values } = readConfig(schema, { flags: { database, wait: wait === true ? WAIT : wait } });
      const applied = await waitForDatabase(() => migrate(values.database), {
        mostMs: values.wait,
        say: (line) => process.stderr.write(`heauth: ${line}\n`),
      });
      if (json) console.log(JSON.stringify({ applied }));
      else if (applied.length === 0) console.log("the schema is up to date");
      else console.log(`applied ${applied.join(", ")}: the schema is up to date`);
    });
}
