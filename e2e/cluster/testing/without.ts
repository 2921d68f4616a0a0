import type { InstalledCluster } from "../install/installed.ts";
import { must } from "../must.ts";

/** A program of heauth's that is a Deployment in the cluster. */
export type Program = "hub" | "identity" | "operator" | "webhook";

const WITHIN = "--timeout=180s";

/** Does something while there is no pod of a program. All of them are there again, and available, when it comes back, also after a failure. */
export async function without<T>(
  { kubectl, namespace }: InstalledCluster,
  program: Program,
  during: () => Promise<T>,
): Promise<T> {
  const deployment = `deployment/heauth-${program}`;
  const run = (...args: string[]) => must(kubectl([`--namespace=${namespace}`, ...args]));
  const replicas = await run("get", deployment, "--output=jsonpath={.spec.replicas}");
  try {
    await run("scale", deployment, "--replicas=0");
    await run("wait", "pods", `--selector=app.kubernetes.io/component=${program}`, "--for=delete", WITHIN);
    return await during();
  } finally {
    await run("scale", deployment, `--replicas=${replicas}`);
    await run("rollout", "status", deployment, WITHIN);
  }
}
