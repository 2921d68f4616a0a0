import { expect, test } from "@jest/globals";
import { heauth } from "./testing/heauth.ts";

test.each([
  [["--help"], /Usage: heauth .*\bstandalone\b.*\bidentity\b.*\bsidecar\b.*\bsuperuser\b.*\bledger\b/s],
  [["standalone", "--help"], /^Usage: heauth standalone --resources .*--protect .*--config FILE.*--print-config/s],
  [["sidecar", "--help"], /^Usage: heauth sidecar --hub .*--wal-quota .*Default: 1024\./s],
  [["superuser", "create", "--help"], /--tenant <name>.*--password-stdin/s],
  [
    ["drain", "--help"],
    /--pod-envoy <folder>.*--within <seconds>.*default: 10.*Exit codes:\n {2}0 {2}nothing is under way/s,
  ],
  [["ledger", "verify", "--help"], /--against <file>.*Exit codes:\n {2}0 {2}intact/s],
])("%j teaches", async (args, text) => {
  expect(await heauth(args)).toEqual({ code: 0, stdout: expect.stringMatching(text), stderr: "" });
});

test.each([
  [[], /Usage: heauth/],
  [["nonsense"], /^error: unknown command 'nonsense'\n/],
  [["superuser", "create", "--tenant", "a", "--email", "b@c", "--bogus"], /^error: unknown option '--bogus'\n$/],
  [["ledger", "verify"], /^error: required option '--tenant <name>' not specified\n$/],
])("%j is no command: 2, and what is", async (args, text) => {
  expect(await heauth(args)).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(text) });
});

test.each([
  [[], "resources is missing; for example ./resources (--resources, HEAUTH_RESOURCES)"],
  [["--bogus"], "Unknown option '--bogus'"],
  [["--data", "a", "--data", "b"], "data is given twice (--data)"],
])("standalone %j is a wrong configuration: 78, one line, and where the settings are", async (args, text) => {
  const { code, stdout, stderr } = await heauth(["standalone", ...args]);
  expect([code, stdout]).toEqual([78, ""]);
  expect(stderr).toBe(`standalone: ${text}; all settings: heauth standalone --help\n`);
});
