import { main } from "@heauth/program";
import { createOperatorProgram } from "./app.ts";
import { operatorSettings } from "./config.ts";

/** Runs the operator until it is told to stop; `argv` as after the subcommand's name. */
export function runOperator({ version, argv }: { version: string; argv: string[] }): Promise<void> {
  return main({
    name: "operator",
    version,
    about: `Makes what Tenants and AuthPolicies say so, seals the ledger, closes blocks and delivers alerts.
Several may run: one reconciles, another takes over when it falls silent. It never migrates the database: heauth migrate does.`,
    schema: operatorSettings,
    argv,
    compose: createOperatorProgram,
  });
}
