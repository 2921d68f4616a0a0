import { isIPv4, isIPv6 } from "node:net";

/**
 * Whose failed logins are counted together: an IPv4 address, or an IPv6 network of /64, which one subscriber has for himself.
 * IPv4 in IPv6 (`::ffff:a.b.c.d`) counts as IPv4. Undefined for what is no address.
 */
export function addressGroup(address: string): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  if (isIPv4(mapped)) return mapped;
  const bare = mapped.split("%", 1)[0] ?? "";
  if (!isIPv6(bare)) return undefined;
  return `${expanded(bare).slice(0, 4).join(":")}::/64`;
}

/** The eight groups of an IPv6 address, without leading zeros. */
function expanded(address: string): string[] {
  const hex = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = "", tail] = hex.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(zeros).fill("0"), ...right];
}
