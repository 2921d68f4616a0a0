import { type CommandResult, runCommand } from "./command.ts";

export type KubectlResult = CommandResult;

/** Runs kubectl to its end; a failure is in the result. */
export async function runKubectl(
  command: string,
  kubeconfig: string,
  args: readonly string[],
  { input = "", home }: { readonly input?: string /** For its caches. */; readonly home: string },
): Promise<KubectlResult> {
  const environment = { PATH: process.env["PATH"], HOME: home };
  return await runCommand(command, [`--kubeconfig=${kubeconfig}`, ...args], { input, environment });
}
