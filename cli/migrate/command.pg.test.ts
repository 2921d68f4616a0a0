import { type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { heauth } from "../testing/heauth.ts";

let store: TestDatabase;
beforeEach(async () => {
  store = await testDatabase({ migrated: false });
});
afterEach(() => store.drop());

test("says what it applied, and then that there is nothing to do", async () => {
  const first = await heauth(["migrate", "--database", store.url]);
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toMatch(/^applied 001_\w+, 002_\w+, .*: the schema is up to date\n$/);
  expect(await store.superuser.query("SELECT FROM heauth.tenant")).toEqual([]);
  const env = { HEAUTH_DATABASE: store.url };
  expect(await heauth(["migrate"], { env })).toEqual({ code: 0, stdout: "the schema is up to date\n", stderr: "" });
  expect((await heauth(["migrate", "--json"], { env })).stdout).toBe('{"applied":[]}\n');
});

test.each([
  ["nothing", [], /database is missing; for example postgresql:/],
  ["no URL", ["--database", "db"], /database must be a postgresql:\/\/ URL/],
  ["nobody there", ["--database", "postgresql://127.0.0.1:1/x"], /does not answer/],
])("with %s, says so in one line and ends with 2", async (_, args, why) => {
  const { code, stdout, stderr } = await heauth(["migrate", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(why);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});
