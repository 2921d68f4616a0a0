import type { Cluster } from "./cluster.ts";
import { useCurrentCluster } from "./current.ts";
import { startKindCluster } from "./kind.ts";
import { startLocalCluster } from "./local.ts";

export type { CommandResult } from "../kube/command.ts";
export type { Cluster, ImageBuild } from "./cluster.ts";
export { must } from "./must.ts";

const ways: Readonly<Record<string, () => Promise<Cluster>>> = {
  local: startLocalCluster,
  kind: startKindCluster,
  current: useCurrentCluster,
};

/** For `beforeAll`: how long a machine that is busy with other things may take. */
export const CLUSTER_STARTS_WITHIN_MS = 300_000;

/** Starts the cluster that E2E_CLUSTER asks for; `local` unless it is set. When that fails, nothing is left. */
export async function startCluster(): Promise<Cluster> {
  const wanted = process.env["E2E_CLUSTER"] || "local";
  const start = ways[wanted];
  if (start === undefined) throw new Error(`E2E_CLUSTER is "${wanted}"; it may be local, kind or current`);
  return await start();
}
