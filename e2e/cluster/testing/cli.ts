import type { CommandResult } from "../../kube/command.ts";
import type { InstalledCluster } from "../install/installed.ts";
import { must } from "../must.ts";

/** Runs `heauth` in the chart's own pod for it, which has the database, the cli's key and the Tenants. Rejects when it fails. */
export async function heauth(cluster: InstalledCluster, args: readonly string[], input?: string): Promise<string> {
  return await must(run(cluster, args, input));
}

/** `heauth ledger verify --against kube`: exit code 0 is intact, 1 tampered, 2 could not check, 3 (with `--require-complete`) incomplete. */
export async function verifyLedger(
  cluster: InstalledCluster,
  tenant: string,
  ...more: readonly string[]
): Promise<CommandResult> {
  const keys = "--keys=/etc/heauth/ledger-keys/ledger-keys.json";
  return await run(cluster, ["ledger", "verify", "--tenant", tenant, keys, "--against=kube", ...more]);
}

function run(cluster: InstalledCluster, args: readonly string[], input?: string): Promise<CommandResult> {
  const pod = [`--namespace=${cluster.namespace}`, "exec", "--stdin", "deployment/heauth-cli"];
  return cluster.kubectl([...pod, "--", "heauth", ...args], input);
}
