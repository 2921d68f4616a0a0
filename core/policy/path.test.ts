import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { maxTarget, normaliseTarget } from "./path.ts";

const path = (target: string) => normaliseTarget(target)?.path;

/** Each right side is what Envoy 1.40 made of the left one under the options named in path.ts. */
describe("as Envoy", () => {
  test.each([
    ["/", "/"],
    ["/a", "/a"],
    ["/a/", "/a/"],
    ["/a//b", "/a/b"],
    ["//a", "/a"],
    ["//a//", "/a/"],
    ["/a//", "/a/"],
    ["/a/./b", "/a/b"],
    ["/a/../b", "/b"],
    ["/../a", "/a"],
    ["/a/..", "/"],
    ["/a/.", "/a/"],
    ["/a/./", "/a/"],
    ["/a/../", "/"],
    ["/a/b/../../..", "/"],
    ["/a/b/./../c/", "/a/c/"],
    ["/.", "/"],
    ["/..", "/"],
    ["/./", "/"],
    ["/../", "/"],
    ["//../a", "/a"],
    ["/a//../b", "/a/b"],
    ["/a/..//b", "/b"],
    ["/a/%2e/b", "/a/b"],
    ["/a/%2E%2e/b", "/b"],
    ["/a/.%2e/b", "/b"],
    ["/a/%2e%2e", "/"],
    ["/a/%2e%2e/", "/"],
    ["/a/%2E", "/a/"],
    ["/%2e", "/"],
    ["/%2e/", "/"],
    ["/%2e%2e/%2e%2e/etc", "/etc"],
    ["/.a", "/.a"],
    ["/a/..b", "/a/..b"],
    ["/...", "/..."],
    ["/a/.../b", "/a/.../b"],
    ["/a/%2e%2e%2e/b", "/a/.../b"],
    ["/a/%2e%2ec", "/a/..c"],
    ["/a%2e", "/a."],
    ["/a%2e/b", "/a./b"],
    ["/a%2eb", "/a.b"],
    ["/%61", "/a"],
    ["/%7e", "/~"],
    ["/%41%42", "/AB"],
    ["/%2d%5F%30", "/-_0"],
    ["/%20", "/%20"],
    ["/a%2b", "/a%2b"],
    ["/a%09b", "/a%09b"],
    ["/%3a%40", "/%3a%40"],
    ["/%c3%a9", "/%c3%a9"],
    ["/%C3%A9", "/%C3%A9"],
    ["/a;b=1", "/a;b=1"],
    ["/a;/b", "/a;/b"],
    ["/a%23f", "/a%23f"],
    ["/a%3fq", "/a%3fq"],
    ["/a%25", "/a%25"],
    ["/!$&'()*+,;=:@", "/!$&'()*+,;=:@"],
    ["/<>", "/%3C%3E"],
    ['/"', "/%22"],
    ["/a|b", "/a%7Cb"],
    ["/[a]", "/[a]"],
    ["/{a}", "/%7Ba%7D"],
    ["/^`", "/%5E%60"],
    ["/%5b", "/%5b"],
    ["/a?x=/../y", "/a"],
    ["/a/../b?x=%2f//", "/b"],
    ["/a?x=\\", "/a"],
    ["/a?", "/a"],
    [`/${"a".repeat(maxTarget - 1)}`, `/${"a".repeat(maxTarget - 1)}`],
  ])("%s is %s", (target, expected) => {
    expect(path(target)).toBe(expected);
  });

  test.each([
    ["an escaped slash", "/a%2fb"],
    ["an escaped slash, upper case", "/a%2Fb"],
    ["an escaped slash alone", "/%2F"],
    ["an escaped slash after dots", "/%2e%2e%2f"],
    ["an escaped backslash", "/a%5cb"],
    ["an escaped NUL", "/a%00b"],
    ["a fragment", "/a#f"],
    ["a fragment in the query", "/a?x#f"],
    ["a space", "/a b"],
    ["a tab", "/a\tb"],
    ["a line feed", "/a\nb"],
    ["DEL", "/a\x7fb"],
    ["a raw letter beyond ASCII", "/\u00e9"],
    ["the same in the query", "/a?x=\u00e9"],
    ["no path", ""],
    ["an asterisk", "*"],
    ["a relative path", "a"],
    ["only a query", "?x"],
  ])("refuses %s", (_, target) => {
    expect(normaliseTarget(target)).toBeUndefined();
  });
});

/** What Envoy lets through, and an app could read in another way. */
describe("more than Envoy", () => {
  test.each([
    ["a backslash", "/a\\b"],
    ["backslashes around dots", "/a\\..\\b"],
    ["a percent sign alone", "/%"],
    ["half an encoding", "/%2"],
    ["an encoding that is none", "/%zz"],
    ["an encoding of another age", "/a%u0041"],
    ["an overlong slash", "/%c0%af"],
    ["half a letter", "/a%C3%28"],
    ["a byte that is no UTF-8", "/%ff"],
    ["a slash encoded twice", "/a%252fb"],
    ["a slash encoded thrice", "/a%25252Fb"],
    ["a backslash encoded twice", "/a%255c"],
    ["a NUL encoded twice", "/a%2500"],
    ["dots encoded twice", "/a/%252e%252e/b"],
    ["one of two dots encoded twice", "/a/.%252e/b"],
    ["a dot encoded twice", "/%252e"],
    ["an encoding that a second decoding completes", "/a%%32%66b"],
    ["one that a second decoding makes", "/a%25%32%66b"],
    ["a deeply encoded path", `/a%${"25".repeat(20)}41`],
    ["dots with a parameter", "/x/..;/a"],
    ["dots with a named parameter", "/x/..;foo=1/a"],
    ["a dot with a parameter", "/x/.;"],
    ["encoded dots with a parameter", "/x/%2e%2e;/a"],
    ["dots with an encoded parameter", "/x/..%3b/a"],
    ["only slashes", "//"],
    ["many slashes", "////"],
    ["only slashes, once the dots are gone", "/a/..//"],
    ["a path and query of more than 8 KiB", `/${"a".repeat(maxTarget)}`],
    ["a long query", `/a?${"a".repeat(maxTarget)}`],
    ["an absolute address", "http://x/a"],
  ])("refuses %s", (_, target) => {
    expect(normaliseTarget(target)).toBeUndefined();
  });

  test.each(["/a%252eb", "/100%25", "/a%2525", "/a%2541", "/a;b/..c;d", "/a%20b%2525c"])(
    "lets %s through",
    (target) => {
      expect(normaliseTarget(target)).toBeDefined();
    },
  );
});

test("query and decoded path are told apart", () => {
  expect(normaliseTarget("/caf%C3%A9/%21?a=%2F?b")).toEqual({
    path: "/caf%C3%A9/%21",
    decoded: "/café/!",
    query: "a=%2F?b",
  });
  expect(normaliseTarget("/a?")?.query).toBe("");
  expect(normaliseTarget("/a")?.query).toBeUndefined();
});

const fragment = fc.constantFrom(
  ...[
    "/",
    "//",
    ".",
    "..",
    "a",
    "%2e",
    "%2f",
    "%25",
    "2f",
    "%5c",
    ";",
    "\\",
    "%41",
    "?",
    "#",
    "%",
    "{",
    "~",
    "%c3%a9",
    "%00",
  ],
);

test("whatever passes stays as it is, and holds nothing that leads elsewhere", () => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 12 }), (parts) => {
      const normalised = normaliseTarget(`/${parts.join("")}`);
      if (normalised === undefined) return;
      expect(normaliseTarget(normalised.path)?.path).toBe(normalised.path);
      expect(normalised.path).not.toMatch(/\/\/|\/\.{1,2}(\/|;|$)|\\|%2f|%5c|%00/i);
      expect(normalised.decoded.split("/")).toHaveLength(normalised.path.split("/").length);
    }),
    { numRuns: 2000 },
  );
});

test("the longest paths take no time", () => {
  const slow = [
    "/".repeat(maxTarget),
    "/a".repeat(4096),
    `/${"%25".repeat(2700)}`,
    `/${"..;".repeat(2700)}`,
    `/${"./".repeat(4000)}`,
  ];
  const start = performance.now();
  for (const target of slow) for (let i = 0; i < 20; i++) normaliseTarget(target);
  expect(performance.now() - start).toBeLessThan(1000);
});
