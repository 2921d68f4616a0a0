#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { runSidecar } from "@heauth/sidecar";
import { explain } from "./explain.ts";
import { runHub } from "./hub/main.ts";
import { keysCommand } from "./keys/create-command.ts";
import { ledgerCommand } from "./ledger/command.ts";
import { migrateCommand } from "./migrate/command.ts";
import { runOperator } from "./operator/main.ts";
import { runStandalone } from "./standalone/main.ts";
import { superuserCommand } from "./superuser/create.ts";
import { runWebhook } from "./webhook/main.ts";

const { version } = JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8")) as { version: string };

/** A long-running program: it reads its own flags, environment and file. */
function program(
  name: string,
  description: string,
  run: (options: { version: string; argv: string[] }) => Promise<void>,
) {
  return new Command(name)
    .description(description)
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument("[flags...]")
    .action((argv) => run({ version, argv }));
}

const heauth = new Command("heauth")
  .description(
    "Who touched which critical data: sessions with a key of their own, decisions, and a ledger that proves itself.",
  )
  .version(version)
  .showHelpAfterError()
  .addCommand(program("standalone", "run everything on one machine (see `heauth standalone --help`)", runStandalone))
  .addCommand(program("operator", "on Kubernetes: reconcile Tenants and AuthPolicies, seal the ledger", runOperator))
  .addCommand(program("sidecar", "decide and record the requests of one app, for the Envoy beside it", runSidecar))
  .addCommand(program("hub", "be the sidecars' control plane in a cluster", runHub))
  .addCommand(program("webhook", "tell the API server which Tenants and AuthPolicies are valid", runWebhook))
  .addCommand(migrateCommand())
  .addCommand(keysCommand())
  .addCommand(superuserCommand())
  .addCommand(ledgerCommand());
endsWith2(heauth);

/** Commander ends with 1 when it can't read the command line; of `ledger verify` that would say "tampered". */
function endsWith2(command: CommandUnknownOpts): void {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  command.commands.forEach(endsWith2);
}

try {
  await heauth.parseAsync();
} catch (error) {
  process.stderr.write(`heauth: ${explain(error)}\n`);
  process.exitCode = 2;
}
