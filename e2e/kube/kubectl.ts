import { spawn } from "node:child_process";
import { once } from "node:events";

export interface KubectlResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs kubectl to its end; a failure is in the result. */
export async function runKubectl(
  command: string,
  kubeconfig: string,
  args: readonly string[],
  { input = "", home }: { readonly input?: string /** For its caches. */; readonly home: string },
): Promise<KubectlResult> {
  const kubectl = spawn(command, [`--kubeconfig=${kubeconfig}`, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], HOME: home },
  });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    kubectl[stream].setEncoding("utf8").on("data", (text: string) => {
      said[stream] += text;
    });
  }
  // It may refuse its arguments before it has read its input.
  kubectl.stdin.on("error", () => {});
  kubectl.stdin.end(input);
  const [code] = (await once(kubectl, "close")) as [number | null];
  return { ...said, code };
}
