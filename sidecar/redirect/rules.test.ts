import { expect, test } from "@jest/globals";
import { redirectRules } from "./rules.ts";

const ports = { envoyPort: 15_006, healthPort: 15_020 };

test("IPv4", () => {
  expect(redirectRules("IPv4", ports)).toBe(`*nat
:HEAUTH_REDIRECT - [0:0]
-F PREROUTING
-A PREROUTING -j HEAUTH_REDIRECT
-A HEAUTH_REDIRECT -i lo -j RETURN
-A HEAUTH_REDIRECT -d 127.0.0.0/8 -j RETURN
-A HEAUTH_REDIRECT -m addrtype ! --dst-type LOCAL -j RETURN
-A HEAUTH_REDIRECT -p tcp -m tcp --dport 15020 -j RETURN
-A HEAUTH_REDIRECT -p tcp -j REDIRECT --to-ports 15006
COMMIT
*filter
:HEAUTH_INPUT - [0:0]
-F INPUT
-A INPUT -j HEAUTH_INPUT
-A HEAUTH_INPUT -i lo -j RETURN
-A HEAUTH_INPUT -m conntrack --ctstate ESTABLISHED -j RETURN
-A HEAUTH_INPUT -p icmp -j RETURN
-A HEAUTH_INPUT -p tcp -m tcp --dport 15006 -m conntrack --ctstate NEW -j RETURN
-A HEAUTH_INPUT -p tcp -m tcp --dport 15020 -m conntrack --ctstate NEW -j RETURN
-A HEAUTH_INPUT -j DROP
COMMIT
`);
});

test("IPv6 has the same rules, with its own loopback and ICMP, which finds neighbours", () => {
  const swapped = redirectRules("IPv4", ports).replace("127.0.0.0/8", "::1/128").replace("-p icmp", "-p ipv6-icmp");
  expect(redirectRules("IPv6", ports)).toBe(swapped);
});

test("OUTPUT is untouched", () => {
  for (const family of ["IPv4", "IPv6"] as const) expect(redirectRules(family, ports)).not.toMatch(/OUTPUT|owner/);
});

test.each([
  [{ ...ports, envoyPort: 0 }],
  [{ ...ports, envoyPort: 65_536 }],
  [{ ...ports, healthPort: 1.5 }],
  [{ ...ports, healthPort: Number.NaN }],
  [{ envoyPort: 15_006, healthPort: 15_006 }],
])("%o are refused", (wrong) => {
  expect(() => redirectRules("IPv4", wrong)).toThrow(RangeError);
});
