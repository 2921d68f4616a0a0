import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newProgramKeyFile } from "@heauth/core/keys";
import { insertTenant, type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { heauth } from "../testing/heauth.ts";

let db: TestDatabase;
let folder: string;
let key: string;
beforeAll(async () => {
  db = await testDatabase();
  await insertTenant(db.superuser, "acme");
  folder = await mkdtemp(join(tmpdir(), "heauth-superuser-"));
  key = join(folder, "cli.json");
  await writeFile(key, newProgramKeyFile("cli"), { mode: 0o600 });
});
afterAll(async () => {
  await db?.drop();
  await rm(folder, { recursive: true, force: true });
});

const PASSWORD = "correct horse battery staple";

function create(options: {
  tenant?: string;
  email?: string;
  input?: string;
  programKey?: string | null;
  more?: string[];
}) {
  const {
    tenant = "acme",
    email = "boss@acme.example",
    input = `${PASSWORD}\n`,
    programKey = key,
    more = ["--password-stdin"],
  } = options;
  const signing = programKey === null ? [] : ["--program-key", programKey];
  const flags = ["--tenant", tenant, "--email", email, ...signing, ...more];
  return heauth(["superuser", "create", ...flags], { input, env: { HEAUTH_DATABASE: db.url } });
}

test("creates an admin, says who, and records it under the command line's key", async () => {
  const { code, stdout, stderr } = await create({});
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^created boss@acme\.example, admin of acme \(user [0-9a-f-]{36}\)\n$/);
  const records = await db.superuser.query<{ type: string }>(
    "SELECT type FROM audit_record WHERE source = 'cli' ORDER BY at, id",
  );
  expect(records.map(({ type }) => type)).toEqual(["journal.open", "identity.user.create", "journal.close"]);
});

test("prints JSON where that is asked for", async () => {
  const { code, stdout } = await create({ email: "json@acme.example", more: ["--password-stdin", "--json"] });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ id: expect.any(String), tenant: "acme", email: "json@acme.example" });
});

test.each<[string, Parameters<typeof create>[0], string | RegExp]>([
  ["a tenant that is not there", { tenant: "nobody" }, "There is no such tenant. (TenantNotFound)"],
  [
    "a weak password",
    { email: "a@acme.example", input: "short\n" },
    /^heauth: The password can't be used\. .*\(PasswordRefused\)$/m,
  ],
  ["no password", { input: "" }, "--password-stdin: standard input is empty (InvalidOption)"],
  ["no terminal", { more: [] }, "no terminal to ask on: use --password-stdin (InvalidOption)"],
  ["no address", { email: "nonsense" }, /email must be an e-mail address .*\(InvalidRequest\)$/m],
  [
    "no key",
    { programKey: null },
    /^heauth: what this does is recorded under the cli's key: .*--program-key FILE \(KeyFile\)$/m,
  ],
  ["a key that is not there", { programKey: "/none.json" }, "/none.json can't be read (ENOENT) (KeyFile)"],
])("%s: 2, and why in one line", async (_, options, message) => {
  const { code, stdout, stderr } = await create(options);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^heauth: [^\n]*\n$/);
  expect(stderr).toEqual(typeof message === "string" ? `heauth: ${message}\n` : expect.stringMatching(message));
  expect(stderr).not.toContain(PASSWORD);
});

test("a broken key file is named", async () => {
  const broken = join(folder, "broken.json");
  await writeFile(broken, "{");
  const { code, stderr } = await create({ programKey: broken });
  expect([code, stderr]).toEqual([2, `heauth: ${broken}: the key file is not JSON (KeyFile)\n`]);
});
