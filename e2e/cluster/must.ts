import type { CommandResult } from "../kube/command.ts";

/** What a command printed; throws what it complained about when it failed. */
export async function must(running: Promise<CommandResult>): Promise<string> {
  const { stdout, stderr, code } = await running;
  if (code !== 0) throw new Error(`a command ended with exit code ${code}:\n${stderr || stdout}`);
  return stdout;
}
