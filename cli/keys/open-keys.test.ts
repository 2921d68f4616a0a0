import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newProgramKeyFile } from "@heauth/core/keys";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type DataFolder, dataFolder } from "../standalone/folder.ts";
import { openKeys } from "./open-keys.ts";

let folder: DataFolder;
beforeEach(async () => {
  folder = dataFolder(await mkdtemp(join(tmpdir(), "heauth-keys-")));
});
afterEach(() => rm(folder.root, { recursive: true, force: true }));

const mode = async (file: string) => (await stat(file)).mode & 0o777;
const files = ["cli.json", "hub.json", "identity.json", "operator.json", "server-secrets.json"];
const pinnedIds = async () =>
  (JSON.parse(await readFile(folder.ledgerKeys, "utf8")).keys as { id: string }[]).map(({ id }) => id);

test("keys are made once, for nobody else's eyes", async () => {
  const first = await openKeys(folder);
  expect((await readdir(folder.keys)).sort()).toEqual(files);
  expect(await mode(folder.keys)).toBe(0o700);
  for (const file of files) expect(await mode(join(folder.keys, file))).toBe(0o600);
  expect(await mode(folder.ledgerKeys)).toBe(0o644);

  const before = await Promise.all(files.map((file) => readFile(join(folder.keys, file), "utf8")));
  const again = await openKeys(folder);
  expect(await Promise.all(files.map((file) => readFile(join(folder.keys, file), "utf8")))).toEqual(before);
  expect(again.programs.identity.id).toBe(first.programs.identity.id);
  expect(again.serverSecrets.current).toEqual(first.serverSecrets.current);
});

test("each program's public half is pinned, and no private one", async () => {
  const { programs, pinned } = await openKeys(folder);
  const ids = Object.values(programs).map(({ id }) => id);
  expect((await pinnedIds()).sort()).toEqual(ids.sort());
  expect([...pinned.keys()].sort()).toEqual(ids);
  expect(await readFile(folder.ledgerKeys, "utf8")).not.toContain("PRIVATE");
});

test("a key that was put in another's place is pinned beside it: what the former one signed must verify", async () => {
  const former = (await openKeys(folder)).programs.operator.id;
  await writeFile(join(folder.keys, "operator.json"), newProgramKeyFile("operator"));
  const { programs, pinned } = await openKeys(folder);
  expect(programs.operator.id).not.toBe(former);
  for (const id of [former, programs.operator.id]) expect(pinned.get(id)?.program).toBe("operator");
  expect(await pinnedIds()).toEqual(expect.arrayContaining([former, programs.operator.id]));
});

test.each(files)("a broken %s is named in one line, nothing of it told, and left as it is", async (name) => {
  await openKeys(folder);
  const file = join(folder.keys, name);
  const broken = (await readFile(file, "utf8")).slice(0, -20);
  await writeFile(file, broken);
  const refusal = await openKeys(folder).catch((error) => error);
  expect(refusal).toMatchObject({ code: "KeyFile", message: `${file}: the key file is not JSON` });
  expect(await readFile(file, "utf8")).toBe(broken);
});

test("one program's key does not do for another", async () => {
  await openKeys(folder);
  await writeFile(join(folder.keys, "hub.json"), newProgramKeyFile("identity"));
  await expect(openKeys(folder)).rejects.toMatchObject({
    code: "KeyFile",
    message: expect.stringMatching(/hub\.json: the key is not of the program hub$/),
  });
});

test("broken pinned keys are named, and not made anew: former keys would be forgotten", async () => {
  await openKeys(folder);
  await writeFile(folder.ledgerKeys, "{");
  await expect(openKeys(folder)).rejects.toMatchObject({
    code: "KeyFile",
    message: expect.stringMatching(/^\/.*\/ledger-keys\.json: not JSON/),
  });
  expect(await readFile(folder.ledgerKeys, "utf8")).toBe("{");
});
