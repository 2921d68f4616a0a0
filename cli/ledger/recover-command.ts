import { createInterface } from "node:readline/promises";
import { Command } from "@commander-js/extra-typings";
import { CliError } from "../errors.ts";
import { OWN_NAMESPACE } from "./kube-anchor.ts";
import { runRecover } from "./run-recover.ts";

/** `heauth ledger recover` */
export function recoverCommand() {
  return new Command("recover")
    .description("let a log go on in a new epoch, after its anchor contradicted it (RolledBack, Forked) or was lost")
    .requiredOption("--tenant <name>", "the tenant's name")
    .requiredOption("--reason <text>", "why, in one line; it stays in the log")
    .option("--data <dir>", "the folder of `heauth standalone`: its database, keys and anchors")
    .option("--database <url>", "PostgreSQL, of a login that is a member of heauth_recovery")
    .option("--program-key <file>", "the cli's key, which signs the recovery: cli.json")
    .option("--ledger-keys <file>", "the pinned public keys, ledger-keys.json")
    .option("--kubeconfig <file>", "the cluster whose Tenants have the anchors")
    .option(
      "--namespace <name>",
      `with --kubeconfig: heauth's own, with the anchors of deleted Tenants; ${OWN_NAMESPACE} unless given`,
    )
    .option("--anchors <dir>", "the folder that has the anchors")
    .option("--yes", "do not ask")
    .action(async ({ yes, ...options }) => {
      const confirm = async (plan: string) => {
        process.stdout.write(plan);
        return yes === true || (await isAgreed());
      };
      const asked = await runRecover(options, { confirm, out: process.stdout });
      if (!asked) process.exitCode = 2;
    });
}

async function isAgreed(): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new CliError("InvalidOption", "there is nobody to ask: give --yes to recover the log");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question("Recover it? Type yes: ")).trim() === "yes";
  } finally {
    terminal.close();
  }
}
