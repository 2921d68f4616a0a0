/** Inside the node's own network namespace; nothing outside sees these. */
export const POD_RANGES = ["10.244.0.0/24", "fd00:244::/64"] as const;
export const SERVICE_RANGES = ["10.96.0.0/16", "fd00:96::/112"] as const;
export const KUBERNETES_SERVICE = "10.96.0.1";
export const DNS_SERVICE = "10.96.0.10";
export const CLUSTER_DOMAIN = "cluster.local";

export const NODE_NAME = "node";
/** The node's end of the pair; the name tells its programs that the network is there. */
export const NODE_INTERFACE = "eth0";

/** One of 254 pairs of interfaces between this machine and a node; no route leads further. */
export interface Link {
  /** This machine's end. */
  readonly interface: string;
  readonly host: readonly [string, string];
  readonly node: readonly [string, string];
}

export function linkOf(number: number): Link {
  const [v4, v6] = [`10.213.${number}`, `fd00:213:${number}:`];
  return { interface: `heauth${number}`, host: [`${v4}.1/24`, `${v6}:1/64`], node: [`${v4}.2/24`, `${v6}:2/64`] };
}
