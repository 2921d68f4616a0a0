import { Command } from "@commander-js/extra-typings";
import { recoverCommand } from "./recover-command.ts";
import { verifyCommand } from "./verify-command.ts";

/** `heauth ledger`: what can be done with a tenant's ledger from outside. */
export function ledgerCommand() {
  return new Command("ledger")
    .description("a tenant's ledger")
    .addCommand(verifyCommand())
    .addCommand(recoverCommand());
}
