import { describe, expect, test } from "@jest/globals";
import { addressGroup } from "./address.ts";
import { readEmail, readLogin, readScope, readSubject } from "./names.ts";

const value = (reading: ReturnType<typeof readLogin>): string | undefined => (reading.ok ? reading.value : undefined);

describe("logins", () => {
  test.each([
    ["alice", "alice"],
    ["Alice.B-2", "Alice.B-2"],
    ["ju\u0308rgen", "j\u00fcrgen"],
    ["Юрий", "Юрий"],
    ["山田太郎", "山田太郎"],
    ["Jo@Example.ORG", "jo@example.org"],
    ["x".repeat(128), "x".repeat(128)],
  ])("%s is kept as %s", (text, kept) => {
    expect(value(readLogin(text))).toBe(kept);
  });

  test.each([
    ["empty", ""],
    ["too long", "x".repeat(129)],
    ["a NUL byte", "ali\0ce"],
    ["a space", "ali ce"],
    ["a line feed", "alice\n"],
    ["a slash", "a/b"],
    ["a percent sign", "a%2fb"],
    ["full width", "ａｌｉｃｅ"],
    ["a ligature", "oﬃce"],
    ["a zero-width space", "ali\u200bce"],
    ["a soft hyphen", "ali\u00adce"],
    ["a right-to-left override", "ali\u202ece"],
    ["a Cyrillic a among Latin letters", "\u0430lice"],
    ["a Greek o among Latin letters", "b\u03bfb"],
    ["a lone surrogate", "a\ud800"],
    ["a private use character", "a\ue000"],
    ["a combining mark first", "\u0301a"],
    ["an emoji", "a🐄"],
    ["a dot first", ".a"],
    ["half an address", "@example.org"],
    ["two addresses", "a@b@c"],
  ])("refuses %s", (_, text) => {
    expect(readLogin(text)).toEqual({ ok: false, problem: expect.any(String) });
  });
});

test.each([
  ["Jo.Doe+x@Sub.Example.ORG", "jo.doe+x@sub.example.org"],
  ["root@localhost", "root@localhost"],
])("e-mail %s is kept as %s", (text, kept) => {
  expect(value(readEmail(text))).toBe(kept);
});

test.each([
  "",
  "jo",
  "jo@",
  "@x",
  "jo@x..y",
  "jo@-x.org",
  "jo@x.org.",
  ".jo@x.org",
  "jo.@x.org",
  "jo doe@x.org",
  "jo@x.org\0",
  "jo@x.org\n",
  "jo@[127.0.0.1]",
  '"jo doe"@x.org',
  "jö@x.org",
  "jo@ex\u00e4mple.org",
  "jo@\uff45xample.org",
  `${"x".repeat(65)}@x.org`,
  `jo@${"x".repeat(64)}.org`,
  `jo@${"x.".repeat(130)}org`,
  "a@b\r\nBcc: c@d",
])("%j is no e-mail address here", (text) => {
  expect(readEmail(text).ok).toBe(false);
});

test("subject and scope travel in headers and tokens", () => {
  expect(readSubject("urn:x:4711").ok).toBe(true);
  for (const text of ["", "a b", "ä", "a\0", "x".repeat(256)]) expect(readSubject(text).ok).toBe(false);
  expect(readScope("read write:all").ok).toBe(true);
  for (const text of ["", " read", "read  write", 'a"b', "a\\b", "ä"]) expect(readScope(text).ok).toBe(false);
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["not an address", undefined],
  ["", undefined],
])("address %s counts as %s", (address, group) => {
  expect(addressGroup(address)).toBe(group);
});
