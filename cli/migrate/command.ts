import { Command } from "@commander-js/extra-typings";
import { readConfig } from "@heauth/program";
import { migrate } from "@heauth/store";
import * as z from "zod";
import { clusterSettings } from "../cluster/settings.ts";

const schema = z.object({ database: clusterSettings.database });

/** `heauth migrate` */
export function migrateCommand() {
  return new Command("migrate")
    .description("bring the database's schema up to date; the other programs wait for it and never do it themselves")
    .option(
      "--database <url>",
      "PostgreSQL, with a login that may create roles; HEAUTH_DATABASE, or HEAUTH_DATABASE_FILE=FILE, unless given",
    )
    .option("--json", "print the result as JSON")
    .action(async ({ database, json }) => {
      const { values } = readConfig(schema, { flags: { database } });
      const applied = await migrate(values.database);
      if (json) console.log(JSON.stringify({ applied }));
      else if (applied.length === 0) console.log("the schema is up to date");
      else console.log(`applied ${applied.join(", ")}: the schema is up to date`);
    });
}
