import { Command } from "@commander-js/extra-typings";
import { OWN_NAMESPACE } from "./kube-anchor.ts";
import { runVerify } from "./run-verify.ts";

const EXIT_CODES = `
Exit codes:
  0  intact
  1  tampered: what was found, and where, is printed
  2  could not check
  3  intact, but records or log entries are known to be lost (with --require-complete)`;

/** `heauth ledger verify` */
export function verifyCommand() {
  return new Command("verify")
    .description("check all of a tenant's ledger against pinned keys and an anchor from outside the database")
    .requiredOption("--tenant <name>", "the tenant's name")
    .option("--data <dir>", "the folder of `heauth standalone`: its database, pinned keys and anchors")
    .option("--database <url>", "PostgreSQL; needs --keys, unless --data is given too")
    .option("--keys <file>", "the pinned public keys, ledger-keys.json")
    .option(
      "--against <file>",
      "the anchor: a checkpoint that was kept outside the database; kube: the one in the Tenant's status",
    )
    .option("--kubeconfig <file>", "for --against kube, unless it runs in a pod")
    .option(
      "--namespace <name>",
      `for --against kube: heauth's own, with the anchors of deleted Tenants; ${OWN_NAMESPACE} unless given`,
    )
    .option("--require-anchor", "without an anchor, end with 2")
    .option("--require-complete", "where records are known to be lost, or a log was recovered, end with 3")
    .option("--json", "print the verdict as JSON")
    .addHelpText("after", EXIT_CODES)
    .action(async (options) => {
      process.exitCode = await runVerify(options, { out: process.stdout, err: process.stderr });
    });
}
