import { join } from "node:path";

/** Where a sidecar is told that its pod goes, in the folder of Envoy's configuration. */
export function drainSocket(podEnvoy: string): string {
  return join(podEnvoy, "drain.sock");
}

/** `POST` only: the answer is an `Unshipped` as JSON. Told twice is told once. */
export const DRAIN_PATH = "/drain";

/** What the hub has not committed. */
export interface Unshipped {
  readonly records: number;
  /** Journals of ended processes that are not settled. */
  readonly journals: number;
}
