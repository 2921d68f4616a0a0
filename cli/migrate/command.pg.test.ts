import { loginUrl, type TestDatabase, testDatabase } from "@heauth/store/testing";
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

test("waits for a login that comes later, says so without its password, and then applies", async () => {
  const name = `late_${store.url.match(/test_(\w{8})/)?.[1]}`;
  const args = ["migrate", "--wait", "1m", "--database", loginUrl(store.url, name, "s3cret")];
  const waits = /^heauth: waiting for the database, \d\d s more at most: /;
  const made = Promise.withResolvers<void>();
  const run = heauth(args, {
    onError: (line) => {
      if (!waits.test(line)) return;
      store.superuser
        .query(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD 's3cret'`)
        .then(() => made.resolve(), made.reject);
    },
  });
  try {
    await made.promise;
    const { code, stdout, stderr } = await run;
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^applied 001_/) });
    expect(stderr).toMatch(new RegExp(`${waits.source}.*${name}`));
    expect(stderr).not.toContain("s3cret");
  } finally {
    await store.superuser.query(`REASSIGN OWNED BY ${name} TO CURRENT_USER; DROP OWNED BY ${name}; DROP ROLE ${name}`);
  }
});

test("does not wait longer than it was told, nor for what waiting would not help", async () => {
  const away = ["migrate", "--database", "postgresql://127.0.0.1:1/x"];
  const late = await heauth([...away, "--wait", "300ms"]);
  expect(late.code).toBe(2);
  // A machine that is slow enough has nothing to wait for any more.
  expect(late.stderr).toMatch(
    /^(heauth: waiting for the database, 1 s more at most: .*ECONNREFUSED.*\n)?heauth: .*does not answer/,
  );
  const malformed = await heauth([...away, "--wait", "long"]);
  expect(malformed).toMatchObject({ code: 2, stderr: expect.stringMatching(/^heauth: wait must be a duration/) });
  const mere = `mere_${store.url.match(/test_(\w{8})/)?.[1]}`;
  await store.superuser.query(`CREATE ROLE ${mere} LOGIN PASSWORD 'pw'`);
  const refused = await heauth(["migrate", "--wait", "--database", loginUrl(store.url, mere, "pw")]);
  await store.superuser.query(`DROP ROLE ${mere}`);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/^heauth: .*permission denied/);
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
