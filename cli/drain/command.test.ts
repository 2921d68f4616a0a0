import { expect, test } from "@jest/globals";
import { heauth } from "../testing/heauth.ts";

test.each([
  ["no folder", [], /^error: required option '--pod-envoy <folder>'/],
  [
    "a time of no kind",
    ["--pod-envoy", "/nowhere", "--within", "1.5s"],
    /^heauth: --within 1\.5s must be whole seconds/,
  ],
  ["no time at all", ["--pod-envoy", "/nowhere", "--within", "0"], /^heauth: --within 0 must be whole seconds/],
])("with %s, says so in one line and ends with 2", async (_, args, why) => {
  const { code, stdout, stderr } = await heauth(["drain", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(why);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

test("where no sidecar is, it ends when its time is over, and says so", async () => {
  const { code, stdout, stderr } = await heauth(["drain", "--pod-envoy", "/nowhere", "--within", "1", "--json"]);
  expect(code).toBe(1);
  const waitsFor = ["the sidecar, which is not there (ENOENT)"];
  expect(JSON.parse(stdout)).toEqual({ drained: false, tookMs: expect.any(Number), waitsFor });
  expect(stderr).toBe(`waiting for ${waitsFor[0]}\n`);
});
