import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { heauth } from "../testing/heauth.ts";
import { readLedgerKeys, readProgramKey } from "./read-key.ts";

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "heauth-keys-")), "keys");
});
afterEach(() => rm(join(folder, ".."), { recursive: true, force: true }));

test("makes every program's key, tells whose each file is, and shows no key", async () => {
  const { code, stdout, stderr } = await heauth(["keys", "create", folder]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const files = (await readdir(folder)).sort();
  expect(files).toEqual([
    "cli.json",
    "hub.json",
    "identity.json",
    "ledger-keys.json",
    "operator.json",
    "server-secrets.json",
  ]);
  for (const file of files) expect(stdout).toMatch(new RegExp(`^ {2}${file} +\\S`, "m"));
  expect(stdout).not.toContain("PRIVATE");
  expect((await stat(join(folder, "operator.json"))).mode & 0o777).toBe(0o600);

  const pinned = await readLedgerKeys(join(folder, "ledger-keys.json"));
  for (const program of ["identity", "hub", "operator", "cli"] as const) {
    const { id } = await readProgramKey(join(folder, `${program}.json`), program);
    expect(pinned.get(id)?.program).toBe(program);
  }
});

test("never writes over a key", async () => {
  await heauth(["keys", "create", folder]);
  const before = await readFile(join(folder, "operator.json"), "utf8");
  const { code, stderr } = await heauth(["keys", "create", folder]);
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/has cli\.json already/) });
  expect(await readFile(join(folder, "operator.json"), "utf8")).toBe(before);
});

test("as JSON", async () => {
  const { stdout } = await heauth(["keys", "create", folder, "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    folder,
    files: expect.arrayContaining(["operator.json", "ledger-keys.json"]),
    keys: expect.arrayContaining([expect.stringMatching(/^operator-[0-9a-f]{8}$/)]),
  });
});

test("a key file that is not there, or not that program's, is named in one line", async () => {
  await heauth(["keys", "create", folder]);
  await expect(readProgramKey(join(folder, "none.json"), "hub")).rejects.toMatchObject({
    code: "KeyFile",
    message: expect.stringMatching(/none\.json can't be read \(ENOENT\)/),
  });
  await expect(readProgramKey(join(folder, "operator.json"), "hub")).rejects.toMatchObject({ code: "KeyFile" });
});
