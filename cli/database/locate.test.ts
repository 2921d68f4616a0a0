import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { locateDatabase } from "./locate.ts";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "heauth-locate-"));
});
afterEach(() => rm(data, { recursive: true, force: true }));

test("--database is taken as it is; keys and anchors come from --data where that is given too", async () => {
  const database = "postgresql://db.test/heauth";
  expect(await locateDatabase({ database })).toMatchObject({ url: database, folder: undefined });
  expect(await locateDatabase({ database, data })).toMatchObject({ url: database, folder: { root: data } });
});

test("the environment names it where nothing else does", async () => {
  const file = join(data, "url");
  await writeFile(file, "postgresql://db.test/filed\n");
  const url = "postgresql://db.test/heauth";
  expect(await locateDatabase({}, { HEAUTH_DATABASE: url })).toMatchObject({ url, folder: undefined });
  expect(await locateDatabase({}, { HEAUTH_DATABASE_FILE: file })).toMatchObject({ url: "postgresql://db.test/filed" });
  expect(await locateDatabase({ database: url }, { HEAUTH_DATABASE_FILE: file })).toMatchObject({ url });
  await expect(locateDatabase({}, { HEAUTH_DATABASE: "mysql://x" })).rejects.toMatchObject({ code: "InvalidConfig" });
});

test("the folder of a standalone with a database of its own names that one", async () => {
  await writeFile(join(data, "database.url"), "postgresql://db.test/mine\n");
  const { url, close } = await locateDatabase({ data });
  expect(url).toBe("postgresql://db.test/mine");
  await close();
});

test.each([
  ["neither", () => ({}), /^give --data DIR, --database URL, or both; HEAUTH_DATABASE or /],
  [
    "a folder that standalone has never used",
    () => ({ data }),
    /^--data: \/.* is not a folder that `heauth standalone` has used$/,
  ],
  ["a folder that is not there", () => ({ data: join(data, "none") }), /^--data: \/.*\/none is not a folder/],
])("%s is refused", async (_, where, message) => {
  await mkdir(join(data, "keys"));
  await expect(locateDatabase(where(), {})).rejects.toMatchObject({
    code: "InvalidOption",
    message: expect.stringMatching(message),
  });
});
