#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { commandsFor } from "./commands.ts";

const { version } = JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8")) as { version: string };

/** What a long-running program is given. */
interface Start {
  readonly version: string;
  /** As after its name. */
  readonly argv: string[];
  /** Path of this file, to start others by. */
  readonly heauth: string;
}

/** A long-running program: it reads its own flags, environment and file, and is loaded only when it is to run. */
function program(name: string, description: string, load: () => Promise<(start: Start) => Promise<void>>) {
  return new Command(name)
    .description(description)
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument("[flags...]")
    .action(async (argv) => {
      const run = await load();
      await run({ version, argv, heauth: fileURLToPath(import.meta.url) });
    });
}

const programs = [
  program("standalone", "run everything on one machine (see `heauth standalone --help`)", async () => {
    return (await import("./standalone/main.ts")).runStandalone;
  }),
  program("operator", "on Kubernetes: reconcile Tenants and AuthPolicies, seal the ledger", async () => {
    return (await import("./operator/main.ts")).runOperator;
  }),
  program("identity", "serve the API where users log in, in a cluster", async () => {
    return (await import("./identity/main.ts")).runIdentity;
  }),
  program("hub", "be the sidecars' control plane in a cluster", async () => {
    return (await import("./hub/main.ts")).runHub;
  }),
  program("webhook", "tell the API server which Tenants and AuthPolicies are valid", async () => {
    return (await import("./webhook/main.ts")).runWebhook;
  }),
  program("sidecar", "decide and record the requests of one app, for the Envoy beside it", async () => {
    return (await import("@heauth/sidecar")).runSidecar;
  }),
];

const heauth = new Command("heauth")
  .description(
    "Who touched which critical data: sessions with a key of their own, decisions, and a ledger that proves itself.",
  )
  .version(version)
  .showHelpAfterError();
for (const each of programs) heauth.addCommand(each);
// A long-running program has no use for what the others load, and would keep it in memory for good.
if (!programs.some((each) => each.name() === process.argv[2])) {
  for (const each of await commandsFor(process.argv[2])) heauth.addCommand(each);
}
endsWith2(heauth);

/** Commander ends with 1 when it can't read the command line; of `ledger verify` that would say "tampered". */
function endsWith2(command: CommandUnknownOpts): void {
  command.exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  command.commands.forEach(endsWith2);
}

try {
  await heauth.parseAsync();
} catch (error) {
  const { explain } = await import("./explain.ts");
  process.stderr.write(`heauth: ${explain(error)}\n`);
  process.exitCode = 2;
}
