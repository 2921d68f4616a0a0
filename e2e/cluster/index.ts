import type { Cluster } from "./cluster.ts";
import { attachCurrentCluster, useCurrentCluster } from "./current.ts";
import { attachKindCluster, startKindCluster } from "./kind.ts";
import { attachLocalCluster, startLocalCluster } from "./local.ts";

export type { CommandResult } from "../kube/command.ts";
export type { Cluster, ImageBuild } from "./cluster.ts";
export { must } from "./must.ts";

interface Way {
  start(): Promise<Cluster>;
  attach(folder: string): Promise<Cluster>;
}

const ways: Readonly<Record<string, Way>> = {
  local: { start: startLocalCluster, attach: attachLocalCluster },
  kind: { start: startKindCluster, attach: attachKindCluster },
  current: { start: useCurrentCluster, attach: attachCurrentCluster },
};

/** For `beforeAll`: how long a machine that is busy with other things may take. */
export const CLUSTER_STARTS_WITHIN_MS = 300_000;

/** Starts the cluster that E2E_CLUSTER asks for; `local` unless it is set. When that fails, nothing is left. */
export async function startCluster(): Promise<Cluster> {
  return await wanted().start();
}

/** The cluster that another program has started, by its folder; its `stop` does nothing. */
export async function attachCluster(folder: string): Promise<Cluster> {
  return await wanted().attach(folder);
}

function wanted(): Way {
  const name = process.env["E2E_CLUSTER"] || "local";
  const way = ways[name];
  if (way === undefined) throw new Error(`E2E_CLUSTER is "${name}"; it may be local, kind or current`);
  return way;
}
