import type { Cluster } from "../cluster.ts";
import { must } from "../must.ts";
import type { Asker } from "./ask.ts";

/** What is tried from inside a pod. */
export interface Door {
  readonly network: "tcp" | "udp";
  /** `HOST:PORT`, an IPv6 address in brackets. */
  readonly address: string;
  /** An IPv4 address that a datagram is to pretend to come from; its outcome is always `silent`. */
  readonly as?: string;
  /** A request for `/` by HTTP unless given. */
  readonly say?: string;
}

/**
 * Tries many at once, and answers in their order: the first line of an answer, or `refused`, `closed` (a connection that ended without a
 * word), `mute` (one that stayed without a word), `silent` (neither connection nor datagram came back), or what went wrong otherwise.
 */
export async function knockFrom(cluster: Cluster, from: Asker, doors: readonly Door[]): Promise<readonly string[]> {
  const container = from.container === undefined ? [] : [`--container=${from.container}`];
  const args = [`--namespace=${from.namespace}`, "exec", "--stdin", from.pod, ...container, "--", "echo", "knock"];
  return JSON.parse(await must(cluster.kubectl(args, JSON.stringify(doors))));
}
