import { join } from "node:path";
import type { ServerProcess } from "../../kube/process.ts";
import type { NodeAssets } from "./assets.ts";

/** What every program of a node stands on. */
export interface Ground {
  /** Data, logs, sockets and process ids; the same path inside and outside. */
  readonly folder: string;
  readonly assets: NodeAssets;
  /** The node's, IPv4 first, and IPv6 where there is one. */
  readonly addresses: readonly string[];
  /** Name of the group that holds every pod's. */
  readonly cgroup: string;
  /** What ends is started again, as an init system would do; its process id (inside) is in NAME.pid. */
  supervised(name: string): Pick<ServerProcess, "restart" | "pidFile">;
}

export function createGround(parts: Omit<Ground, "supervised">): Ground {
  return {
    ...parts,
    supervised: (name) => ({
      restart: { firstMs: 100, maxMs: 2_000 },
      pidFile: join(parts.folder, `${name}.pid`),
    }),
  };
}
