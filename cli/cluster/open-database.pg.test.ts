import { createLogs } from "@heauth/program";
import { migrate } from "@heauth/store";
import { loginUrl, type TestDatabase, testDatabase } from "@heauth/store/testing";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openProgramDatabase } from "./open-database.ts";

const { log } = createLogs({ program: "test", level: "silent" });
let store: TestDatabase;
let stopping: AbortController;
let states: (string | undefined)[];
let onState: (why: string | undefined) => void;
beforeEach(() => {
  stopping = new AbortController();
  states = [];
  onState = () => {};
});
afterEach(async () => {
  stopping.abort();
  await store.drop();
});

const open = (url: string) =>
  openProgramDatabase(
    { url, role: "heauth_operator", applicationName: "test" },
    {
      log,
      stopping: stopping.signal,
      onState: (why) => {
        if (why !== states.at(-1)) states.push(why);
        onState(why);
      },
    },
  );

test("waits for a login and for the schema, then opens", async () => {
  store = await testDatabase({ migrated: false });
  const login = `late_${store.url.match(/test_(\w{8})/)?.[1]}`;
  const loginIs = Promise.withResolvers<void>();
  const schemaIs = Promise.withResolvers<void>();
  onState = (why) => (why?.includes("heauth migrate") ? schemaIs.resolve() : loginIs.resolve());
  const opening = open(loginUrl(store.url, login, "pw"));
  await loginIs.promise;
  await store.superuser.query(`CREATE ROLE ${login} LOGIN PASSWORD 'pw' NOINHERIT IN ROLE heauth_operator`);
  try {
    await schemaIs.promise;
    await migrate(store.url);
    const database = await opening;
    expect(await database.transaction((tx) => tx.query("SELECT FROM heauth.tenant"))).toEqual([]);
    await database.stop();
    expect(states.at(-1)).toBeUndefined();
    expect(states.join("\n")).toMatch(new RegExp(`${login}(.|\n)*run \`heauth migrate\``));
    expect(states.join("\n")).not.toContain("pw@");
  } finally {
    await store.superuser.query(`DROP OWNED BY ${login}; DROP ROLE ${login}`);
  }
});

test("a stop ends the waiting", async () => {
  store = await testDatabase({ migrated: false });
  onState = () => stopping.abort(new Error("stopped"));
  await expect(open("postgresql://x@127.0.0.1:1/x")).rejects.toThrow("stopped");
});

test("does not wait for what can't come", async () => {
  store = await testDatabase({ migrated: false });
  await expect(open("mysql://x")).rejects.toMatchObject({ code: "BadDatabaseUrl" });
});
