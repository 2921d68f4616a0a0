import { spawn } from "node:child_process";
import { once } from "node:events";

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs a command to its end; a failure is in the result. It gets no more of our environment than `environment` has. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { input = "", environment }: { readonly input?: string; readonly environment: NodeJS.ProcessEnv },
): Promise<CommandResult> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: environment });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      said[stream] += text;
    });
  }
  // It may refuse its arguments before it has read its input.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { ...said, code };
}
