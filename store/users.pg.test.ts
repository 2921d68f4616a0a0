import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Database } from "./database.ts";
import { insertTenant, makeUser, type TestDatabase, testDatabase } from "./testing/index.ts";
import { listUsers, rehashPassword, userByLogin, userForLogin } from "./users.ts";

let store: TestDatabase;
let identity: Database;
let tenant: string;
beforeAll(async () => {
  store = await testDatabase();
  identity = await store.database("heauth_identity");
  tenant = await insertTenant(store.superuser, "acme");
});
afterAll(() => store.drop());

const inTenant = <T>(work: Parameters<typeof identity.tenantTransaction<T>>[1], id = tenant) =>
  identity.tenantTransaction(id, work);

describe("users", () => {
  test("are found by their login in any case, with roles that came into being", async () => {
    const id = await makeUser(identity, tenant, "Jo", {
      roles: ["nurse", "doctor", "nurse"],
      scope: "a b",
      subject: "s",
    });
    const user = await inTenant((tx) => userByLogin(tx, tenant, "jO"));
    expect(user).toEqual({
      id,
      login: "Jo",
      email: "Jo@acme.test",
      subject: "s",
      scope: "a b",
      roles: ["doctor", "nurse"],
      createdAt: expect.any(Number),
    });
    expect(await store.superuser.query("SELECT name FROM role WHERE tenant_id = $1 ORDER BY name", [tenant])).toEqual([
      { name: "doctor" },
      { name: "nurse" },
    ]);
    expect(await inTenant((tx) => userByLogin(tx, tenant, "nobody"))).toBeUndefined();
  });

  test("log in with login or e-mail, and get another hash", async () => {
    const id = await makeUser(identity, tenant, "ann", { email: "boss@acme.test" });
    for (const name of ["ANN", "Boss@acme.test"]) {
      expect(await inTenant((tx) => userForLogin(tx, tenant, name))).toMatchObject({ id, passwordHash: "not a hash" });
    }
    await inTenant((tx) => rehashPassword(tx, tenant, id, "new"));
    expect(await inTenant((tx) => userForLogin(tx, tenant, "ann"))).toMatchObject({ passwordHash: "new" });
  });

  test("share neither login nor e-mail within a tenant, in any case of letters; other tenants do not matter", async () => {
    await makeUser(identity, tenant, "same");
    const other = await insertTenant(store.superuser, "other");
    await makeUser(identity, other, "same");
    await expect(makeUser(identity, tenant, "SAME", { email: "x@acme.test" })).rejects.toMatchObject({
      code: "AlreadyExists",
      field: "login",
    });
    await expect(makeUser(identity, tenant, "x", { email: "Same@acme.test" })).rejects.toMatchObject({
      code: "AlreadyExists",
      field: "email",
    });
    expect(await inTenant((tx) => userByLogin(tx, tenant, "x"))).toBeUndefined();
  });

  test("many made at once with the same new roles do not lock each other out", async () => {
    const roles = ["a", "b", "c", "d"];
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        makeUser(identity, tenant, `many-${index}`, { roles: index % 2 ? roles : roles.toReversed() }),
      ),
    );
    expect(await inTenant((tx) => userByLogin(tx, tenant, "many-7"))).toMatchObject({ roles });
  });

  test("are listed page by page, each once, and searched by parts of login and e-mail", async () => {
    const paged = await insertTenant(store.superuser, "paged");
    const logins = ["Bea", "ada", "cy%d", "cyxd", "dan", "Eve"];
    for (const [index, login] of logins.entries()) {
      await makeUser(identity, paged, login, { email: `${index}@${login.length}.xyz` });
    }
    const seen: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await inTenant((tx) => listUsers(tx, paged, { limit: 4, ...(after ? { after } : {}) }), paged);
      seen.push(...page.map(({ login }) => login));
      after = page.at(-1)?.login;
      if (page.length < 4) break;
    }
    expect(seen).toEqual(["ada", "Bea", "cy%d", "cyxd", "dan", "Eve"]);
    const search = async (text: string) =>
      (await inTenant((tx) => listUsers(tx, paged, { search: text, limit: 10 }), paged)).map(({ login }) => login);
    expect(await search("A")).toEqual(["ada", "Bea", "dan"]);
    expect(await search("y%")).toEqual(["cy%d"]);
    expect(await search("@4.XYZ")).toEqual(["cy%d", "cyxd"]);
    expect(await search("\\")).toEqual([]);
  });
});
