import { Command } from "@commander-js/extra-typings";
import { CliError } from "../errors.ts";
import { drain } from "./drain.ts";

const DEFAULT_SECONDS = 10;

/** `heauth drain` */
export function drainCommand() {
  return new Command("drain")
    .description("let the pod that this runs in go: clients are told to, records count when the hub has them; waits")
    .requiredOption("--pod-envoy <folder>", "folder of Envoy's configuration, as the sidecar was told")
    .option("--within <seconds>", "how long to wait at most; below the pod's grace period", seconds, DEFAULT_SECONDS)
    .option("--json", "say how it ended as one line of JSON")
    .addHelpText(
      "after",
      "\nNew connections are still served: other nodes may take some seconds to hear that the pod goes. There is no way back.\n" +
        "\nExit codes:\n  0  nothing is under way, and the hub has every record\n  1  not within the time: what is left is said; the sidecar goes on draining\n  2  it was called wrongly",
    )
    .action(async ({ podEnvoy, within, json = false }) => {
      const say = (line: string) => process.stderr.write(`waiting for ${line}\n`);
      const { tookMs, waitsFor } = await drain({ podEnvoy, withinMs: within * 1000, say });
      const isDrained = waitsFor.length === 0;
      if (!isDrained) process.exitCode = 1;
      const took = `${(tookMs / 1000).toFixed(1)} s`;
      if (json)
        process.stdout.write(`${JSON.stringify({ drained: isDrained, tookMs: Math.round(tookMs), waitsFor })}\n`);
      else if (isDrained) process.stdout.write(`drained after ${took}\n`);
      else process.stderr.write(`heauth: not drained after ${took}, still waiting for ${waitsFor.join(", ")}\n`);
    });
}

function seconds(text: string): number {
  const value = Number(text);
  if (/^\d{1,6}$/.test(text) && value > 0) return value;
  throw new CliError("InvalidOption", `--within ${text} must be whole seconds, such as 35`);
}
