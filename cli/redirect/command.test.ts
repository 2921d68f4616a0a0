import { expect, test } from "@jest/globals";
import { heauth } from "../testing/heauth.ts";

test.each([
  ["nothing", [], /^heauth: envoyPort is missing; for example 15006/],
  ["no port", ["--envoy-port", "x", "--health-port", "15020"], /^heauth: envoyPort /],
  ["one port for two", ["--envoy-port", "1", "--health-port", "1"], /^heauth: .* can't both have port 1/],
])("with %s, says so in one line and ends with 2, before any rule is made", async (_, args, why) => {
  const { code, stdout, stderr } = await heauth(["redirect", ...args], { env: { PATH: "/nowhere" } });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(why);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});
