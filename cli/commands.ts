import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { keysCommand } from "./keys/create-command.ts";
import { ledgerCommand } from "./ledger/command.ts";
import { migrateCommand } from "./migrate/command.ts";
import { redirectCommand } from "./redirect/command.ts";
import { superuserCommand } from "./superuser/create.ts";

/** What somebody does, and is done. */
export function commands(): CommandUnknownOpts[] {
  return [migrateCommand(), keysCommand(), superuserCommand(), ledgerCommand(), redirectCommand()];
}
