import { expect, test } from "@jest/globals";
import { peerOf } from "./peer.ts";

const peer = "10.0.0.9";

test.each([
  [0, "6.6.6.6, 10.0.0.9", peer],
  [1, "6.6.6.6, 203.0.113.7, 10.0.0.9", "203.0.113.7"],
  [2, "6.6.6.6, 203.0.113.7, 10.0.0.1, 10.0.0.9", "203.0.113.7"],
  [1, "2001:db8::1, 10.0.0.9", "2001:db8::1"],
  [1, "10.0.0.9", peer],
  [1, "nonsense, 10.0.0.9", peer],
  [3, undefined, peer],
])("with %i trusted hops and X-Forwarded-For %j it is %s", (hops, forwardedFor, expected) => {
  expect(peerOf({ peer, forwardedFor }, hops)).toBe(expected);
});
