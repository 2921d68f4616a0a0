import { newProgramKeyFile, parseProgramKeyFile } from "@heauth/core/keys";
import { LedgerWriter } from "@heauth/store";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createSuperuser } from "./index.ts";
import { PASSWORD, type TestIdentity, type TestTenant, testIdentity } from "./testing/test-identity.ts";

let home: TestIdentity;
let acme: TestTenant;
beforeAll(async () => {
  home = await testIdentity();
  acme = await home.tenant("acme");
});
afterAll(() => home?.stop());

test("the command line makes an admin, with its own journal; he logs in with the address and manages users", async () => {
  const programKey = parseProgramKeyFile(newProgramKeyFile("cli"), "cli");
  const ledgerWriter = new LedgerWriter({ program: "cli", programKey });
  const { database } = home.parts;
  const { id } = await createSuperuser(
    { database, ledgerWriter },
    { tenant: "acme", email: "Boss@Acme.example", password: PASSWORD },
  );
  await ledgerWriter.close(database);

  const records = (await home.records(acme)).filter(({ record }) => record.source === "cli");
  expect(records.map(({ record }) => record.type)).toEqual(["journal.open", "identity.user.create", "journal.close"]);
  expect(records[1]?.private).toEqual({
    user: id,
    login: "boss@acme.example",
    email: "boss@acme.example",
    details: { by: "command line", subject: id, roles: "admin" },
  });

  const { accessToken: token } = await home.logIn(acme, "boss@acme.example");
  const json = { login: "jo", email: "jo@acme.example", password: PASSWORD };
  expect((await home.ask({ url: "/user", token, json })).statusCode).toBe(201);
});

describe("refuses, and leaves nothing behind", () => {
  test.each([
    ["an unknown tenant", { tenant: "nowhere" }, "TenantNotFound"],
    ["something that is no address", { email: "boss" }, "InvalidRequest"],
    ["a bad password", { password: "short" }, "PasswordRefused"],
    ["an address that is taken", { email: "boss@acme.example" }, "LoginTaken"],
  ])("%s", async (_, changes, code) => {
    const before = await home.db.superuser.query("SELECT count(*) FROM tenant_user");
    const wish = { tenant: "acme", email: "new@acme.example", password: PASSWORD, ...changes };
    await expect(createSuperuser(home.parts, wish)).rejects.toMatchObject({ code });
    expect(await home.db.superuser.query("SELECT count(*) FROM tenant_user")).toEqual(before);
  });
});
