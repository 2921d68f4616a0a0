import { isIPv6, SocketAddress } from "node:net";

/**
 * The network that a peer is counted under: /24 of IPv4, /64 of IPv6, so that changing the last digits is no way round.
 * What is no address counts as itself.
 */
export function peerPrefix(peer: string): string {
  const address = hostOf(peer);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  const quad = /^(\d+\.\d+\.\d+)\.\d+$/.exec(mapped);
  if (quad !== null) return `${quad[1]}.0/24`;
  if (!isIPv6(mapped)) return peer;
  return `${groups(mapped).slice(0, 4).join(":")}::/64`;
}

/** Without a port or brackets. */
function hostOf(peer: string): string {
  const bracketed = /^\[([^\]]+)\](:\d+)?$/.exec(peer)?.[1];
  if (bracketed !== undefined) return bracketed;
  return /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(peer)?.[1] ?? peer;
}

/** The eight groups of an IPv6 address, each without leading zeros. */
function groups(address: string): string[] {
  const plain = new SocketAddress({ address: address.replace(/%.*$/, ""), family: "ipv6" }).address;
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(zeros).fill("0"), ...right];
}
