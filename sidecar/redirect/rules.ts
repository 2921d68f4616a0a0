export interface Redirect {
  /** Envoy's port: every inbound TCP connection ends there. */
  readonly envoyPort: number;
  /** The sidecar's health port, the only other one that is open: the kubelet asks it before Envoy is there. */
  readonly healthPort: number;
}

/** IPv4 is for `iptables-restore`, IPv6 for `ip6tables-restore`. */
export type Family = "IPv4" | "IPv6";

const ICMP = { IPv4: "icmp", IPv6: "ipv6-icmp" };
const LOOPBACK = { IPv4: "127.0.0.0/8", IPv6: "::1/128" };

/**
 * What `iptables-restore --noflush` gets to read in a pod's network namespace. However often it is applied, it makes the same rules: nat's
 * PREROUTING and filter's INPUT hold them alone, so nothing of somebody else's goes before. OUTPUT is nobody's business here: what the
 * pod itself connects to, Envoy's own connections to the app among it, is not redirected.
 *
 * @throws RangeError for ports that are none, or that are the same
 */
export function redirectRules(family: Family, { envoyPort, healthPort }: Redirect): string {
  for (const port of [envoyPort, healthPort]) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`${port} is no port`);
  }
  if (envoyPort === healthPort) throw new RangeError(`Envoy and the sidecar can't both have port ${envoyPort}`);
  return `${[
    "*nat",
    ":HEAUTH_REDIRECT - [0:0]",
    "-F PREROUTING",
    "-A PREROUTING -j HEAUTH_REDIRECT",
    "-A HEAUTH_REDIRECT -i lo -j RETURN",
    // A redirect makes anything local: what a neighbour sends to an address that isn't the pod's must not become a connection of Envoy's.
    `-A HEAUTH_REDIRECT -d ${LOOPBACK[family]} -j RETURN`,
    "-A HEAUTH_REDIRECT -m addrtype ! --dst-type LOCAL -j RETURN",
    `-A HEAUTH_REDIRECT -p tcp -m tcp --dport ${healthPort} -j RETURN`,
    `-A HEAUTH_REDIRECT -p tcp -j REDIRECT --to-ports ${envoyPort}`,
    "COMMIT",
    "*filter",
    ":HEAUTH_INPUT - [0:0]",
    "-F INPUT",
    "-A INPUT -j HEAUTH_INPUT",
    "-A HEAUTH_INPUT -i lo -j RETURN",
    "-A HEAUTH_INPUT -m conntrack --ctstate ESTABLISHED -j RETURN",
    `-A HEAUTH_INPUT -p ${ICMP[family]} -j RETURN`,
    ...[envoyPort, healthPort].map(
      (port) => `-A HEAUTH_INPUT -p tcp -m tcp --dport ${port} -m conntrack --ctstate NEW -j RETURN`,
    ),
    // New UDP and SCTP, TCP that wasn't redirected, and what belongs to no connection.
    "-A HEAUTH_INPUT -j DROP",
    "COMMIT",
  ].join("\n")}\n`;
}
