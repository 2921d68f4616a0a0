import { join } from "node:path";
import { createInterface } from "node:readline";
import { Command } from "@commander-js/extra-typings";
import { createSuperuser } from "@heauth/identity";
import { LedgerWriter, openDatabase } from "@heauth/store";
import { locateDatabase } from "../database/locate.ts";
import { CliError } from "../errors.ts";
import { readProgramKey } from "../keys/read-key.ts";
import type { DataFolder } from "../standalone/folder.ts";
import { readHidden } from "./hidden-input.ts";

/** `heauth superuser create` */
export function superuserCommand() {
  return new Command("superuser").description("administrators of a tenant").addCommand(createCommand());
}

function createCommand() {
  return new Command("create")
    .description("create a user with the role admin; it logs in with its e-mail address at POST /auth")
    .requiredOption("--tenant <name>", "the tenant's name")
    .requiredOption("--email <address>", "the user's e-mail address, and login")
    .option("--password-stdin", "read the password from the first line of standard input instead of asking for it")
    .option("--data <dir>", "the folder of `heauth standalone`: its database and keys")
    .option(
      "--database <url>",
      "PostgreSQL, of a login that is a member of heauth_identity; HEAUTH_DATABASE, or HEAUTH_DATABASE_FILE=FILE, unless given",
    )
    .option("--program-key <file>", "the cli's key, cli.json, which signs the record of it; needed without --data")
    .option("--json", "print the result as JSON")
    .action(async ({ tenant, email, passwordStdin, programKey: keyFile, json, ...where }) => {
      const located = await locateDatabase(where);
      try {
        const programKey = await readCliKey(keyFile, located.folder);
        const password = passwordStdin ? await firstLine() : await askTwice();
        const database = await openDatabase({
          url: located.url,
          role: "heauth_identity",
          applicationName: "heauth cli",
          max: 2,
        });
        try {
          const ledgerWriter = new LedgerWriter({ program: "cli", programKey });
          const { id } = await createSuperuser({ database, ledgerWriter }, { tenant, email, password });
          await ledgerWriter.close(database);
          console.log(
            json ? JSON.stringify({ id, tenant, email }) : `created ${email}, admin of ${tenant} (user ${id})`,
          );
        } finally {
          await database.stop();
        }
      } finally {
        await located.close();
      }
    });
}

/** The key that vouches for the command line's records. */
async function readCliKey(given: string | undefined, folder: DataFolder | undefined) {
  const file = given ?? (folder && join(folder.keys, "cli.json"));
  if (file === undefined) {
    throw new CliError(
      "KeyFile",
      "what this does is recorded under the cli's key: give --data DIR or --program-key FILE",
    );
  }
  return await readProgramKey(file, "cli");
}

async function firstLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    for await (const line of lines) return line;
  } finally {
    lines.close();
  }
  throw new CliError("InvalidOption", "--password-stdin: standard input is empty");
}

async function askTwice(): Promise<string> {
  if (!process.stdin.isTTY) throw new CliError("InvalidOption", "no terminal to ask on: use --password-stdin");
  const password = await readHidden("Password: ");
  if (password !== (await readHidden("Once more: "))) throw new CliError("InvalidOption", "the two differ");
  return password;
}
