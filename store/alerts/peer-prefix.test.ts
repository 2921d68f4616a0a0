import { expect, test } from "@jest/globals";
import { peerPrefix } from "./peer-prefix.ts";

test.each([
  ["192.0.2.77", "192.0.2.0/24"],
  ["192.0.2.77:4711", "192.0.2.0/24"],
  ["::ffff:192.0.2.77", "192.0.2.0/24"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["[2001:DB8:1:2::6]:443", "2001:db8:1:2::/64"],
  ["2001:0db8::1", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["", ""],
  ["unix", "unix"],
])("%j counts under %j", (peer, prefix) => {
  expect(peerPrefix(peer)).toBe(prefix);
});
