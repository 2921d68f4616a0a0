import { isIP } from "node:net";

/** Where a request came from, as far as Envoy tells. */
export interface Origin {
  /** The connection's own address. */
  readonly peer: string | undefined;
  /** `X-Forwarded-For`; its last entry is the connection's address, added by Envoy. */
  readonly forwardedFor: string | undefined;
}

/**
 * The address that a record names: the connection's, or with `trustedHops` proxies in front the one that the outermost of them
 * saw. Entries further left were written by whoever sent the request, and are not believed.
 */
export function peerOf({ peer, forwardedFor = "" }: Origin, trustedHops: number): string | undefined {
  if (trustedHops === 0) return peer;
  const entry =
    forwardedFor
      .split(",")
      .at(-1 - trustedHops)
      ?.trim() ?? "";
  return isIP(entry) === 0 ? peer : entry;
}
