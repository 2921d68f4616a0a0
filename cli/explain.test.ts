import { StoreError } from "@heauth/store";
import { expect, test } from "@jest/globals";
import { CliError } from "./errors.ts";
import { explain } from "./explain.ts";

test("what somebody can mend is one line with its code", () => {
  expect(explain(new CliError("KeyFile", "the file\nis broken"))).toBe("the file is broken (KeyFile)");
});

test("a database that does not answer is told of with the address that was tried", () => {
  const cause = new Error("connect ECONNREFUSED 127.0.0.1:1");
  expect(explain(new StoreError("StoreUnavailable", "the database does not answer", { cause }))).toBe(
    "the database does not answer: connect ECONNREFUSED 127.0.0.1:1 (StoreUnavailable)",
  );
});

test("a bug shows where it is", () => {
  expect(explain(new TypeError("no such thing"))).toMatch(/^TypeError: no such thing\n +at .*explain\.test\.ts/);
  expect(explain("thrown text")).toContain("thrown text");
});
